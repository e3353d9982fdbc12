/**
 * The checker, a process of its own: `node chaos/check.ts <folder> [--report file.md]`. Reads a log folder, prints the report,
 * leaves `report.json` beside the logs. Exits 0 when nothing was found, 1 when something was, 2 when it cannot tell.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { judge } from './judge.ts';
import { readRecord } from './record.ts';
import { formatReport } from './report.ts';

const [folder, flag, file] = process.argv.slice(2);
if (folder === undefined || (flag !== undefined && (flag !== '--report' || file === undefined))) {
  console.error('node chaos/check.ts <folder> [--report file.md]');
  process.exit(2);
}
try {
  const judgement = judge(readRecord(folder));
  const report = formatReport(judgement);
  writeFileSync(join(folder, 'report.json'), JSON.stringify(judgement, null, 1));
  if (file !== undefined) writeFileSync(file, report);
  console.log(report);
  process.exitCode = judgement.violations.length === 0 ? 0 : 1;
} catch (error) {
  // Neither innocent nor guilty.
  console.error('the folder cannot be judged:', error);
  process.exitCode = 2;
}
