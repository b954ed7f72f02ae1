#!/usr/bin/env node
import { runOnNode } from './run-on-node.mjs'

/** The package's `waggle-node` command: a Node that runs TypeScript sources, with the given arguments. A project's scripts call it. */
runOnNode(() => process.argv.slice(2))
