/** What is wrong with the environment, as a list that an operator can act on. Holds names of variables, never their values. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const [only] = problems;
    const list = problems.map((problem) => `\n  - ${problem}`).join('');
    super(
      problems.length === 1 && only
        ? `The environment is not usable: ${only}`
        : `The environment is not usable:${list}`,
    );
    this.problems = problems;
  }
}
