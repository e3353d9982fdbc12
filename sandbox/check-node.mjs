/**
 * Loaded before a main file by `--import`: an old Node cannot even read TypeScript, and would answer with a stack trace
 * about file extensions. Plain JavaScript that any Node understands.
 */
const OLDEST_MAJOR = 24;

if (Number(process.versions.node.split('.')[0]) < OLDEST_MAJOR) {
  console.error(
    `Bellhop needs Node ${OLDEST_MAJOR} or newer, this is ${process.versions.node}: run "npm ci" and "npm start", which bring their own`,
  );
  process.exit(1);
}
