import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { MemoryWatch } from '../../../connectors/processes/memory-watch.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { skipWithoutPython } from '../../support/python-bee.ts'

const megabyte = 1024 ** 2

/** Takes 64 MB, then forks three children, which end together with it. Each child takes the given amount. */
const program = `import os, sys
kept = bytearray(b"x" * ${64 * megabyte})
for _ in range(3):
    read, write = os.pipe()
    if os.fork() == 0:
        own = bytearray(b"x" * int(sys.argv[1]))
        os.write(write, b"1")
        sys.stdin.read()
        os._exit(0)
    os.read(read, 1)
print("ready", flush=True)
sys.stdin.read()`

describe('The memory of a process and its children', { skip: MemoryWatch.isPossible ? skipWithoutPython : 'this system does not tell it' }, () => {
  for (const [what, ownBytes, isExceeded] of [
    ['pages that forked children share with their parent only once', 0, false],
    ['the own pages of each child', 64 * megabyte, true],
  ] as const)
    it(`counts ${what}`, async () => {
      const child = spawn('python3', ['-c', program, String(ownBytes)], { stdio: ['pipe', 'pipe', 'inherit'] })
      try {
        await once(child.stdout, 'data')
        const clock = new SimulatedClock()
        let count = 0
        const watch = new MemoryWatch(child.pid ?? 0, { maxBytes: 160 * megabyte, clock, exceeded: () => count++ })
        await clock.advance(2000)
        watch.close()
        assert.equal(count, isExceeded ? 1 : 0)
      } finally {
        child.stdin.end()
        await once(child, 'exit')
      }
    })
})
