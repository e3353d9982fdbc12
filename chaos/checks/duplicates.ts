/** No planned write happened twice: by the journal alone. */
import { findToken } from '../cast.ts';
import { type Record, groupBy } from '../record.ts';
import type { Violation } from './violation.ts';

export function checkDuplicates({ effects }: Record): readonly Violation[] {
  const writes = effects.filter((effect) => !effect.readOnly);
  const byToken = groupBy(writes, (effect) => findToken(JSON.stringify(effect.arguments))?.token ?? null);
  return [...byToken].flatMap(([token, same]) =>
    same.length < 2
      ? []
      : [
          {
            kind: 'duplicate' as const,
            what: `${token} (${same[0]?.slug}) happened ${same.length} times: ${same.map((e) => e.at).join(', ')}`,
          },
        ],
  );
}
