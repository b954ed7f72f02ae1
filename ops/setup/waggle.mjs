#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root, runOnNode } from './run-on-node.mjs'

/** The package's `waggle` command. It runs the command line on a Node that is new enough: from the sources in a clone, or compiled in the package. */
runOnNode(() => {
  const sources = join(root, 'ops', 'cli', 'main.ts')
  return [existsSync(sources) ? sources : sources.replace(/\.ts$/, '.js')].concat(process.argv.slice(2))
})
