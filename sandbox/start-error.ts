/** Something that a person has to put right before anything can start; the message is all they need, in one line. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
