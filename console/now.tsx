/** What state a run is in, in words, with what a person may do about it. */
import { useState } from 'react';
import type { Run } from './types.ts';
import type { Tone } from './words.ts';
import { adviceOn } from './words.ts';

/** In a place that is as large in each of them: nothing below moves when it changes. */
export function Now({ run }: { readonly run: Run }) {
  if (run.waitingFor.length > 0)
    return (
      <section className="panel now wait" aria-label="Waits for">
        {run.waitingFor.map((wait) => (
          <div key={wait.app}>
            <p>{wait.message}</p>
            <p>
              <a href={wait.connectUrl} target="_blank" rel="noreferrer">
                Open the connect page<span className="visually-hidden"> (new tab)</span>
              </a>{' '}
              <span className="soft">It is for {run.userId} only: send it to nobody else.</span>
            </p>
          </div>
        ))}
      </section>
    );
  if (run.error)
    return (
      <section className="panel now bad" aria-label="Why it failed">
        <p>{run.error.message}</p>
        <p className="soft">{adviceOn(run.error.code)}</p>
      </section>
    );
  if (run.status === 'completed')
    return (
      <section className="panel now good" aria-label="Answer">
        <Answer
          text={run.output === null || run.output === '' ? 'The model ended without a word.' : run.output}
        />
      </section>
    );
  const [text, tone] = NOW[run.status] ?? ['', 'calm'];
  return (
    <section className={`panel now ${tone}`} aria-label="Now">
      <p>{text}</p>
      {tone === 'wait' ? (
        <button type="button" className="plain small" onClick={goToDecision}>
          Go to it
        </button>
      ) : null}
    </section>
  );
}

const NOW: Readonly<Record<string, readonly [string, Tone]>> = {
  running: ['At work. There is nothing to do for you.', 'calm'],
  waiting_for_approval: ['A call below waits for your decision.', 'wait'],
  waiting_for_resolution: ['Nobody knows what became of a call below: look it up, and say so.', 'wait'],
  cancelled: ['Cancelled. Nothing more happens in this run.', 'calm'],
};

/** A field comes into sight with the focus. */
function goToDecision(): void {
  document.querySelector<HTMLElement>('.decide input')?.focus();
}

/** About what the place for it holds. */
const SHORT_ANSWER = { characters: 220, lines: 2 };

function Answer({ text }: { readonly text: string }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > SHORT_ANSWER.characters || text.split('\n').length > SHORT_ANSWER.lines;
  return (
    <>
      <p className={isLong && !isWhole ? 'answer short' : 'answer'}>{text}</p>
      {isLong ? (
        <button
          type="button"
          className="plain small"
          aria-expanded={isWhole}
          onClick={() => setWhole(!isWhole)}
        >
          {isWhole ? 'Show less' : 'Show all of it'}
        </button>
      ) : null}
    </>
  );
}
