/**
 * A transaction of one statement as one train of messages with one answer. PostgreSQL makes one transaction of everything up to
 * the Sync: whose rows it may see, the statement, the commit. Sent as three queries it is answered three times, and reading an
 * answer costs this process about as much as the statement. Knows the driver's inside; nothing else here may.
 */
import pg from 'pg';

/** Before the statement, in its transaction; its rows are not read. `name` is kept by the session where statements are. */
export type Step = { readonly name: string; readonly text: string; readonly values: readonly string[] };

type Message = object;
type Wire = pg.Connection & {
  parse(message: { name: string; text: string }): void;
  bind(message: { statement: string; values: readonly string[] }): void;
  execute(message: { portal: string }): void;
};
type Done = (error: Error | null, result: pg.QueryResult) => void;
/** What the driver calls on a query as the answer comes in. Its types leave it out. */
type DriverQuery = {
  submit(connection: pg.Connection): Error | null;
  handleDataRow(message: Message): void;
  handleCommandComplete(message: Message, connection: pg.Connection): void;
};
const Query = pg.Query as unknown as new (
  config: pg.QueryConfig & { queryMode: 'extended'; callback: Done },
) => DriverQuery;

/** What a session is known to have parsed: not what was sent, but what a train that arrived whole has shown. */
const parsed = new WeakMap<pg.Connection, Set<string>>();

export class Trip extends Query {
  readonly #steps: readonly Step[];
  readonly #keeps: boolean;
  #before: number;
  #isFirst = false;
  #connection: pg.Connection | null = null;

  /** `keeps`: the session may keep the steps by their names. `done` is called once. */
  constructor(
    steps: readonly Step[],
    statement: pg.QueryConfig,
    { keeps, done }: { keeps: boolean; done: Done },
  ) {
    let isDone = false;
    // Extended also without parameters: a simple query would be a transaction of its own.
    super({
      ...statement,
      queryMode: 'extended',
      callback: (error, result) => {
        if (isDone) return;
        isDone = true;
        if (error === null) this.#remember();
        done(error, result);
      },
    });
    this.#steps = steps;
    this.#keeps = keeps;
    this.#before = steps.length;
  }

  /** It has named steps to a session that did not know them. When it fails nobody knows which of them the session has kept. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  override submit(connection: pg.Connection): Error | null {
    this.#connection = connection;
    const { stream } = connection;
    // Corked, the train is one write to the socket: most of what a statement costs this process is that system call.
    stream.cork();
    try {
      for (const step of this.#steps) this.#send(connection as Wire, step);
      const refusal = super.submit(connection);
      // The steps are on their way without an end; the session is of no use any more.
      if (refusal !== null) stream.destroy(refusal);
      return refusal;
    } finally {
      stream.uncork();
    }
  }

  #send(connection: Wire, { name, text, values }: Step): void {
    const statement = this.#keeps ? name : '';
    const isKnown = this.#keeps && parsed.get(connection)?.has(name) === true;
    if (this.#keeps && !isKnown) this.#isFirst = true;
    if (!isKnown) connection.parse({ name: statement, text });
    connection.bind({ statement, values });
    connection.execute({ portal: '' });
  }

  #remember(): void {
    if (!this.#isFirst || this.#connection === null) return;
    const names = parsed.get(this.#connection) ?? new Set();
    for (const { name } of this.#steps) names.add(name);
    parsed.set(this.#connection, names);
  }

  override handleDataRow(message: Message): void {
    if (this.#before === 0) super.handleDataRow(message);
  }

  override handleCommandComplete(message: Message, connection: pg.Connection): void {
    if (this.#before === 0) super.handleCommandComplete(message, connection);
    else this.#before -= 1;
  }
}
