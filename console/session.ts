/** The session among what was read, and its end. */
import type { QueryClient } from '@tanstack/react-query';
import { forgetYourName } from './your-name.tsx';

export const SESSION = ['session'];

/** Asks anew who is signed in, which shows the form, and forgets all that this session has read. */
export async function endSession(queryClient: QueryClient): Promise<void> {
  forgetYourName();
  await queryClient.resetQueries({ queryKey: SESSION });
  queryClient.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION[0] });
}
