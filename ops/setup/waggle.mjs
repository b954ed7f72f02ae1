#!/usr/bin/env node
/** The package's `waggle` command. It starts the command line on a Node that runs TypeScript. */
process.argv.splice(2, 0, 'ops/cli/main.ts')
await import('./launch.mjs')
