#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root, runOnNode } from './run-on-node.mjs'

/** The package's `waggle` command: the command line, from its sources or compiled, on a Node that runs it. */
runOnNode(() => {
  const sources = join(root, 'ops', 'cli', 'main.ts')
  return [existsSync(sources) ? sources : sources.replace(/\.ts$/, '.js')].concat(process.argv.slice(2))
})
