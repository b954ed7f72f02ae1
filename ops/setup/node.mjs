#!/usr/bin/env node
import { runOnNode } from './run-on-node.mjs'

/**
 * The package's `waggle-node` command. It runs a Node that can run TypeScript sources, with the given arguments. The scripts of a user's project call
 * this command.
 */
// A second signal must not kill Node, because a user of Node's prompt may press Ctrl-C several times.
runOnNode(() => process.argv.slice(2), { killsAtSecondSignal: false })
