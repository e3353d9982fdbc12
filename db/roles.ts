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
    await retryRaces(() => ensureMembership(client, role));
  }
}

/**
 * The right to SET ROLE, and nothing more: a policy counts for everybody who inherits from its role, so an owner that
 * inherits would see all rows without saying as whom. PostgreSQL can tell the two apart from version 16 on; before that the
 * owner sees what its roles see.
 */
async function ensureMembership(client: pg.Client, role: (typeof ROLES)[number]): Promise<void> {
  const { rows: versions } = await client.query<{ v: string }>(
    `select current_setting('server_version_num') as v`,
  );
  const isOld = Number(versions[0]?.v) < 160_000;
  const { rows } = await client.query<{ can: boolean; inherits: boolean }>(
    `select pg_has_role(current_user, $1, '${isOld ? 'member' : 'set'}') as can,
       pg_has_role(current_user, $1, 'usage') and not rolsuper as inherits
     from pg_roles where rolname = current_user`,
    [role],
  );
  const { can, inherits } = rows[0] ?? { can: false, inherits: false };
  if (isOld && !can) await client.query(`grant ${role} to current_user`);
  if (!isOld && !can) await client.query(`grant ${role} to current_user with inherit false, set true`);
  // Given by somebody else perhaps, and then not ours to narrow: work is scoped all the same, by SET ROLE.
  if (!isOld && can && inherits) await narrowMembership(client, role);
}

async function narrowMembership(client: pg.Client, role: string): Promise<void> {
  try {
    await client.query(`grant ${role} to current_user with inherit false, set true`);
  } catch (error) {
    if ((error as { code?: string }).code !== '42501') throw error;
  }
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
      `create role bellhop_user nologin; create role bellhop_system nologin; grant bellhop_user, bellhop_system to "<user of DATABASE_URL>" with inherit false, set true;`,
    { cause },
  );
}
