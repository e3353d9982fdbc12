/** The events of one run, which never changes for a view, as they come, and the word that what was read of it is out of date. */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { followRun } from './sse.ts';
import type { RunEvent } from './types.ts';

/** A run that does much is read again this often, not with each event. */
const SETTLE_MS = 400;

export function useRunEvents(runId: string): { events: readonly RunEvent[]; isLive: boolean } {
  const queryClient = useQueryClient();
  const [events, setEvents] = useState<readonly RunEvent[]>([]);
  const [isLive, setLive] = useState(true);
  useEffect(() => {
    const gone = new AbortController();
    let timer = 0;
    const onEvents = (more: readonly RunEvent[]) => {
      setEvents((known) => [...known, ...more]);
      window.clearTimeout(timer);
      timer = window.setTimeout(
        () => void queryClient.invalidateQueries({ queryKey: ['run', runId] }),
        SETTLE_MS,
      );
    };
    void followRun(runId, { onEvents, onState: setLive }, gone.signal);
    return () => {
      gone.abort();
      window.clearTimeout(timer);
    };
  }, [runId, queryClient]);
  return { events, isLive };
}
