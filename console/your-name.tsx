/**
 * Who decides. A key is no person, and may be shared: the name is asked for once, stands in every form after that, and is
 * forgotten when the session ends or the tab is closed.
 */
import type { ReactNode } from 'react';
import { createContext, useContext, useState } from 'react';

const KEPT_AS = 'bellhop:your-name';

const YourName = createContext<readonly [string, (name: string) => void]>(['', () => undefined]);

export function YourNameProvider({ children }: { readonly children: ReactNode }) {
  const [name, setName] = useState(() => window.sessionStorage.getItem(KEPT_AS) ?? '');
  const keep = (next: string) => {
    window.sessionStorage.setItem(KEPT_AS, next);
    setName(next);
  };
  return <YourName value={[name, keep]}>{children}</YourName>;
}

export const useYourName = () => useContext(YourName);

export function forgetYourName(): void {
  window.sessionStorage.removeItem(KEPT_AS);
}
