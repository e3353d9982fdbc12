// The direction table of docs/architecture.md, as rules. A change here is a change of the table and of its ADR.
const npm = (names) => `^node_modules/(${names.join('|')})(/|$)`;

/** What each folder may import of the project's own folders (besides itself). */
const own = {
  domain: [],
  // activities: types only, see workflows-activities-types
  workflows: ['domain', 'activities'],
  activities: ['domain', 'composio', 'model', 'mail', 'db', 'workflows/messages\\.ts'],
  net: [],
  composio: ['domain', 'net'],
  model: ['domain', 'net'],
  mail: ['domain'],
  db: ['domain'],
  config: ['domain'],
  api: ['domain', 'composio', 'db', 'config', 'workflows/messages\\.ts'],
  telemetry: ['domain', 'composio', 'model', 'db', 'workflows/messages\\.ts'],
  console: ['domain'],
};
const npmOf = {
  domain: ['zod'],
  workflows: ['@temporalio/workflow', '@temporalio/common'],
  activities: ['@temporalio/activity', '@temporalio/client', '@temporalio/common', 'standardwebhooks', 'zod'],
  net: ['undici'],
  composio: ['composio-core', '@composio/core', 'ajv', 'zod'],
  model: ['openai', 'zod'],
  mail: ['nodemailer'],
  db: ['kysely', 'pg', '@types/pg'],
  config: ['zod', '@temporalio/envconfig', '@temporalio/client', '@temporalio/common'],
  api: [
    'express',
    '@types/express',
    '@types/express-serve-static-core',
    '@types/serve-static',
    'helmet',
    'pino',
    'zod',
    'zod-openapi',
    '@temporalio/client',
    '@temporalio/common',
    'prom-client',
    'close-with-grace',
  ],
  telemetry: [
    'prom-client',
    '@temporalio/client',
    '@temporalio/worker',
    '@temporalio/interceptors-opentelemetry',
    '@opentelemetry/api',
    '@opentelemetry/context-async-hooks',
    '@opentelemetry/core',
    '@opentelemetry/exporter-trace-otlp-http',
    '@opentelemetry/resources',
    '@opentelemetry/sdk-trace-base',
  ],
  // Types come with them. Nothing of ours: it knows the API by its document, as any other caller does.
  console: ['react', 'react-dom', '@types/react', '@types/react-dom', '@tanstack/react-query'],
};

const folderRules = Object.entries(own).map(([folder, allowed]) => ({
  name: `${folder}-own`,
  comment: `${folder}/ may import only: ${['itself', ...allowed].join(', ')}`,
  severity: 'error',
  from: { path: `^${folder}/`, pathNot: '/main\\.ts$|^db/migrate\\.ts$' },
  to: {
    path: '^(domain|workflows|activities|composio|model|net|mail|db|config|api|telemetry|worker|sandbox|bench|chaos|test|scripts|console)/',
    pathNot: `^(${[folder, ...allowed].map((f) => (f.endsWith('.ts') ? f : `${f}/`)).join('|')})`,
  },
}));

const npmRules = Object.entries(npmOf).map(([folder, names]) => ({
  name: `${folder}-npm`,
  comment: `${folder}/ owns only: ${names.join(', ')}`,
  severity: 'error',
  from: { path: `^${folder}/`, pathNot: '/main\\.ts$|^db/migrate\\.ts$' },
  to: { dependencyTypes: ['npm', 'npm-dev', 'npm-peer', 'npm-optional'], pathNot: npm(names) },
}));

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...folderRules,
    ...npmRules,
    {
      name: 'workflows-activities-types',
      comment: 'workflows/ proxies activities by their types; their code may not get into the bundle',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'pure-folders-no-node',
      comment: 'domain/ and workflows/ are deterministic: no node built-ins',
      severity: 'error',
      from: { path: '^(domain|workflows)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'examples-as-outsiders',
      comment:
        'examples/ are what an integrator could write: of ours only what clients of Temporal may import',
      severity: 'error',
      from: { path: '^examples/' },
      to: {
        path: '^(domain|workflows|activities|composio|model|net|mail|db|config|api|worker|sandbox|bench|chaos|test|scripts|console)/',
        pathNot: '^workflows/messages\\.ts$',
      },
    },
    {
      name: 'production-no-sandbox',
      severity: 'error',
      from: {
        path: '^(domain|workflows|activities|composio|model|net|mail|db|config|api|telemetry|worker|console)/',
      },
      to: { path: '^(sandbox|bench|chaos|test|scripts|examples)/' },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    // Not node_modules: what is excluded has no dependencies to it, and the rules on npm packages would never fire.
    exclude: { path: '^(dist|\\.bellhop|docs)/|^\\.' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
