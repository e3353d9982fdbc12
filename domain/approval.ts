/** Which tool calls of a run a person must allow before they are sent. Pure. */
export type ApprovalRequirement = 'none' | 'writes' | readonly string[];

export function requiresApproval(
  requirement: ApprovalRequirement,
  call: { readonly tool: string; readonly isWrite: boolean },
): boolean {
  if (requirement === 'none') return false;
  if (requirement === 'writes') return call.isWrite;
  return requirement.includes(call.tool);
}
