/** The integrator's user id, which is Composio's entity id too; this file is the one place that maps the two. */
export const USER_ID_PATTERN = /^[A-Za-z0-9._~@-]{1,128}$/;

/** `default` is the identity that Composio's SDK shares between all who forget to name one. */
export function isUserId(text: string): boolean {
  return USER_ID_PATTERN.test(text) && text !== 'default' && text !== '.' && text !== '..';
}

/** @throws RangeError when the id could name nobody, or everybody. */
export function toEntityId(userId: string): string {
  if (!isUserId(userId)) throw new RangeError('not a user id');
  return userId;
}
