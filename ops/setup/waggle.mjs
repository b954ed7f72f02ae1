#!/usr/bin/env node
/** The package's `waggle` command: the command line, on a Node that runs it. */
process.argv.splice(2, 0, 'ops/cli/main.ts')
await import('./launch.mjs')
