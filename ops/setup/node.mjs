#!/usr/bin/env node
import { runOnNode } from './run-on-node.mjs'

/** The package's `waggle-node` command: a Node that runs TypeScript sources, with the given arguments. A project's scripts call it. */
// The prompt of Node takes Ctrl-C as often as it is pressed.
runOnNode(() => process.argv.slice(2), { killsAtSecondSignal: false })
