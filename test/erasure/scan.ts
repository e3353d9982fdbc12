/** What is left of somebody: every row of every table, as PostgreSQL and the Temporal server's own database hold them. */
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

/** Tables in which one of these words stands, each with how many rows. */
export type Traces = Readonly<Record<string, number>>;

/** All schemas but PostgreSQL's own, as the superuser, whom no policy hides anything from. */
export async function scanPostgres(superuserUrl: string, words: readonly string[]): Promise<Traces> {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
       where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
    );
    const traces: Record<string, number> = {};
    for (const { name } of tables) {
      const { rows } = await client.query<{ n: number }>(
        `select count(*)::int as n from ${name} t
         where exists (select 1 from unnest($1::text[]) w where strpos(t::text, w) > 0
           or strpos(t::text, encode(convert_to(w, 'utf8'), 'hex')) > 0)`,
        [words],
      );
      if (rows[0] && rows[0].n > 0) traces[name] = rows[0].n;
    }
    return traces;
  } finally {
    await client.end();
  }
}

/** Histories are blobs in which text stands as it is, or as base64 of JSON. */
export function scanSqlite(file: string, words: readonly string[]): Traces {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const needles = words.flatMap((word) => [Buffer.from(word), ...base64Forms(word)]);
    const tables = db.prepare(`select name from sqlite_master where type = 'table'`).all() as {
      name: string;
    }[];
    const traces: Record<string, number> = {};
    for (const { name } of tables) {
      for (const row of db.prepare(`select * from "${name}"`).iterate()) {
        const has = Object.values(row).some((value) => {
          const bytes = value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value));
          return needles.some((needle) => bytes.includes(needle));
        });
        if (has) traces[name] = (traces[name] ?? 0) + 1;
      }
    }
    return traces;
  } finally {
    db.close();
  }
}

/** The three ways in which a word can stand in base64, without the characters that its neighbours change. */
function base64Forms(word: string): Buffer[] {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(word)]).toString('base64');
    return Buffer.from(text.slice(shift === 0 ? 0 : 4, text.length - 4));
  });
}
