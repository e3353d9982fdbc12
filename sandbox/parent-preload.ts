/** The `--import` form of parent.ts: watching starts with the process. Nothing imports this file. */
import { exitWhenParentGoes } from './parent.ts';

exitWhenParentGoes();
