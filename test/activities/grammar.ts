/** The chat completions API's grammar of `messages`, as strict as the real one is and stricter: what it finds wrong, in words. */
type WireMessage = Readonly<Record<string, unknown>>;

export function grammarErrors(messages: readonly WireMessage[]): string[] {
  const errors: string[] = [];
  const used = new Set<string>();
  let open: string[] = [];
  if (messages.length === 0) errors.push('no messages');
  for (const [at, message] of messages.entries()) {
    const { role, content, tool_calls: calls, tool_call_id: answers } = message;
    const wrong = (what: string): void => void errors.push(`messages[${at}] ${String(role)}: ${what}`);
    if (role === 'tool') {
      if (!open.includes(String(answers))) wrong(`answers ${String(answers)}, which is not open`);
      open = open.filter((id) => id !== answers);
      if (typeof content !== 'string' || content === '') wrong('has no content');
      continue;
    }
    if (open.length > 0) wrong(`comes before the answers to ${open.join(', ')}`);
    open = [];
    if (role === 'assistant') {
      if (calls === undefined) {
        if (typeof content !== 'string') wrong('says nothing and calls nothing');
        continue;
      }
      const ids = Array.isArray(calls) ? calls.map((one: { id?: unknown }) => one.id) : [];
      if (ids.length === 0 || ids.length > 128) wrong(`has ${ids.length} calls`);
      for (const id of ids) {
        if (typeof id !== 'string' || id === '') wrong('has a call without id');
        else if (used.has(id)) wrong(`uses id ${id} again`);
        else used.add(id);
      }
      open = ids.map(String);
    } else if (role === 'system' ? at !== 0 : role !== 'user') wrong('is not a legal role here');
    else if (typeof content !== 'string') wrong('has no text');
  }
  if (open.length > 0) errors.push(`no answer to ${open.join(', ')}`);
  return errors;
}
