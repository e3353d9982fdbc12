/**
 * The two roles that all work runs as. Roles belong to the cluster, not to the database, so several migrations (of one
 * database or of several) may make them at once.
 */
import type pg from 'pg';

export const ROLES = ['bellhop_user', 'bellhop_system'] as const;

/** duplicate_object; unique_violation and "tuple concurrently updated" (internal error) when two sessions race. */
const RACE_CODES = new Set(['42710', '23505', 'XX000']);
/** Two sessions can collide once per role and statement; more than this many times is something else. */
const ATTEMPTS = 20;

export class RolesError extends Error {
  override readonly name = 'RolesError';
}

export async function ensureRoles(client: pg.Client): Promise<void> {
  for (const role of ROLES) {
    await retryRaces(async () => {
      const { rowCount } = await client.query('select 1 from pg_roles where rolname = $1', [role]);
      if (rowCount === 0) await client.query(`create role ${role} nologin nobypassrls`);
    });
    await retryRaces(async () => {
      const { rows } = await client.query<{ can: boolean }>(
        `select pg_has_role(current_user, $1, ${await setPrivilege(client)}) as can`,
        [role],
      );
      if (rows[0]?.can !== true) await client.query(`grant ${role} to current_user`);
    });
  }
}

/** From PostgreSQL 16 on, membership and the right to SET ROLE are different things. */
async function setPrivilege(client: pg.Client): Promise<"'set'" | "'member'"> {
  const { rows } = await client.query<{ v: string }>(`select current_setting('server_version_num') as v`);
  return Number(rows[0]?.v) >= 160_000 ? "'set'" : "'member'";
}

async function retryRaces(step: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await step();
      return;
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      if (code === '42501') throw rolesError(error);
      if (!RACE_CODES.has(code) || attempt >= ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10 * attempt));
    }
  }
}

function rolesError(cause: unknown): RolesError {
  return new RolesError(
    `The database user may not create or use the roles ${ROLES.join(', ')}. As an administrator of the cluster run: ` +
      `create role bellhop_user nologin; create role bellhop_system nologin; grant bellhop_user, bellhop_system to "<user of DATABASE_URL>";`,
    { cause },
  );
}
