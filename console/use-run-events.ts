/**
 * The events of one run, which never changes for a view, as they come. They hold ids only: what they speak of is read first,
 * and then both are shown together, so that nothing which stands there already grows and pushes the rest away.
 */
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
    let waiting: readonly RunEvent[] = [];
    let isShowing = false;
    const show = async () => {
      isShowing = true;
      while (waiting.length > 0) {
        const batch = waiting;
        waiting = [];
        // Never fails: what could not be read says so itself.
        await queryClient.invalidateQueries({ queryKey: ['run', runId] });
        if (gone.signal.aborted) return;
        setEvents((known) => [...known, ...batch]);
        await new Promise((resolve) => window.setTimeout(resolve, SETTLE_MS));
      }
      isShowing = false;
    };
    const onEvents = (more: readonly RunEvent[]) => {
      waiting = [...waiting, ...more];
      if (!isShowing) void show();
    };
    void followRun(runId, { onEvents, onState: setLive }, gone.signal);
    return () => gone.abort();
  }, [runId, queryClient]);
  return { events, isLive };
}
