#!/usr/bin/env node
import { runOnNode } from './run-on-node.mjs'

/** The package's `waggle-node` command: the Node that runs TypeScript sources, with the arguments that it is given. A project's scripts call it. */
runOnNode(() => process.argv.slice(2))
