#!/usr/bin/env node
import { existsSync } from 'node:fs'

/** The package's `waggle` command: the command line, from its sources or compiled, on a Node that runs it. */
const hasSources = existsSync(new URL('../cli/main.ts', import.meta.url))
process.argv.splice(2, 0, hasSources ? 'ops/cli/main.ts' : 'ops/cli/main.js')
await import('./launch.mjs')
