#!/usr/bin/env node
import { findLauncher } from '../communicators/launcher.js';
import { flushed, tolerateLostOutput } from './console.js';
import { runCommandLine } from './run-command-line.js';

tolerateLostOutput();
const exitCode = await runCommandLine(process.argv.slice(2), findLauncher());
await flushed();
// Not by returning: a rank that hangs after a failure must not keep the command alive.
process.exit(exitCode);
