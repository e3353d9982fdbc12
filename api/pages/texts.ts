/** Every word of the pages for end users: connect pages, settings page, refusals. Nothing here decides anything. */
import type { Html } from './html.ts';
import { html } from './html.ts';

type Plural = readonly unknown[];

export const CONNECT = {
  title: (app: string, isReconnect: boolean): string => `${isReconnect ? 'Reconnect' : 'Connect'} ${app}`,
  lead: (app: string, forWhom: string): Html =>
    html`The assistant that works for <strong>${forWhom}</strong> asks you to connect a ${app} account, so
      that it can act with it.`,
  facts: { app: 'App', forWhom: 'For', askedBy: 'Asked by', why: 'Why' },
  why: (runs: Plural): string => {
    if (runs.length === 0) return 'To be ready for later tasks';
    return runs.length === 1 ? 'A task waits for it' : `${runs.length} tasks wait for it`;
  },
  go: (app: string): string => `Continue to ${app}`,
  warning: (app: string, forWhom: string): string =>
    `Go on only if you are ${forWhom} and expected this. Whoever goes on connects their own ${app} account for ${forWhom}.`,
};

export const OUTCOMES = {
  finished: {
    title: (app: string): string => `${app} is connected`,
    next: 'What was waiting for it goes on by itself. You can close this page.',
  },
  already: {
    title: (app: string): string => `${app} is connected already`,
    next: 'There is nothing left to do here. You can close this page.',
  },
  finishing: {
    title: (app: string): string => `Finishing with ${app}`,
    heading: 'Finishing',
    status: (app: string): string => `Your ${app} account is being set up. This page looks again by itself.`,
    fallback: 'If nothing happens,',
    again: 'look again',
  },
  denied: {
    title: (app: string): string => `${app} was not connected`,
    status: (app: string): string => `You or ${app} said no, so nothing was connected.`,
    again: 'Try again',
  },
};

/** One text for unknown, used, expired, foreign and tampered links, true for each of them. */
export const REFUSALS = {
  invalid: {
    title: 'This link does not work',
    body: [
      'It may have been used already, its time may be over, or it belongs to another browser. Opening it now changed nothing: what you have connected before stays connected.',
      'If something is still missing, go back to the app that sent you here and start again.',
    ],
  },
  busy: {
    title: 'Please wait a moment',
    body: [
      'This link was opened many times in the last minutes. Nothing was connected.',
      'Finish in the tab that is open already, or wait a few minutes and open the link again.',
    ],
  },
  failure: {
    title: 'Please try again',
    body: [
      'Something that is needed does not answer right now. Nothing was connected. Wait a moment, then reload this page.',
    ],
  },
} as const;

/** The settings page. Statuses are Composio's; the words are for somebody who has never heard of it. */
export const PORTAL = {
  title: 'Your connections',
  lead: (forWhom: string): Html =>
    html`The accounts that the assistant may use for <strong>${forWhom}</strong>.`,
  empty: 'There is nothing here yet. When a task needs one of your accounts, its app appears here.',
  stale: 'This may be out of date: where your connections are kept does not answer right now.',
  statuses: {
    ACTIVE: 'Connected',
    EXPIRED: 'Has expired',
    FAILED: 'Stopped working',
    INACTIVE: 'Switched off',
    REVOKED: 'Access was taken back',
    INITIATED: 'Not finished',
    none: 'Not connected',
  },
  since: 'Connected since',
  account: 'Account',
  waiting: (count: number): string => (count === 1 ? 'A task waits for it' : `${count} tasks wait for it`),
  more: (count: number): string => `and ${count} more`,
  connect: 'Connect',
  reconnect: 'Reconnect',
  disconnect: 'Disconnect',
  disconnectWarning: (app: string): string =>
    `The assistant loses this account. Tasks that need ${app} wait until you connect one again.`,
  disconnectNow: 'Yes, disconnect',
  live: 'This page keeps itself up to date.',
  changed: 'Your connections have changed.',
  back: 'Back to your connections',
};

export const PORTAL_REFUSALS = {
  signedOut: {
    title: 'Please open this page again',
    body: [
      'Your time on this page is over. Go back to the app that sent you here and open your connections again.',
    ],
  },
  used: {
    title: 'This link was used',
    body: [
      'It opens in one browser only, and another one has opened it already. Go back to the app that sent you here and ask for a new one.',
    ],
  },
  staleForm: {
    title: 'Nothing was changed',
    body: ['This form was too old, or came from somewhere else.'],
  },
} as const;
