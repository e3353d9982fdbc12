/** Addresses under /console. Every view has one of its own, so that reload, Back and a link in a chat work. */
import type { AnchorHTMLAttributes, ReactNode } from 'react';
import { useSyncExternalStore } from 'react';

const BASE = '/console';
const CHANGED = 'bellhop:address';

/** The address below /console, `/runs?status=failed`. */
export function useAddress(): URL {
  const href = useSyncExternalStore(subscribe, () => window.location.href);
  const url = new URL(href);
  url.pathname = url.pathname.slice(BASE.length) || '/';
  return url;
}

export function navigate(path: string, { replace = false } = {}): void {
  window.history[replace ? 'replaceState' : 'pushState'](null, '', BASE + path);
  window.dispatchEvent(new Event(CHANGED));
  if (!replace) window.scrollTo(0, 0);
}

function subscribe(onChange: () => void): () => void {
  for (const name of ['popstate', CHANGED]) window.addEventListener(name, onChange);
  return () => {
    for (const name of ['popstate', CHANGED]) window.removeEventListener(name, onChange);
  };
}

type LinkProps = AnchorHTMLAttributes<HTMLAnchorElement> & {
  readonly to: string;
  readonly children: ReactNode;
};

/** A real link: it opens in a new tab as any other does. */
export function Link({ to, children, ...rest }: LinkProps) {
  return (
    <a
      {...rest}
      href={BASE + to}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        navigate(to);
      }}
    >
      {children}
    </a>
  );
}
