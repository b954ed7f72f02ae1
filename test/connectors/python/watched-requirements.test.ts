import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ReloadedBee } from '../../../connectors/python/reloaded-bee.ts'

describe('Processes of a Python file in development', () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-reload-'))
  after(() => rmSync(root, { recursive: true }))
  const write = (path: string, text: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }

  it('are replaced when a requirements file in another folder changes, or a file that it includes', async () => {
    write('bee/bee.py', '')
    write('deps/list.txt', '-r more/common.txt\n-c later.txt\n')
    write('deps/more/common.txt', 'numpy\n')
    let look = () => {}
    const clock = {
      now: () => 0,
      elapsedMs: () => 0,
      after: (_: number, act: () => void) => {
        look = act
        return () => {}
      },
    }
    let opened = 0
    const bee = new ReloadedBee({ file: join(root, 'bee', 'bee.py'), requirements: join(root, 'deps', 'list.txt'), clock, log: () => {} })
    const process = await bee.open(async () => {
      opened++
      return { isReady: true, call: async () => [], close: async () => {} }
    })
    /** Two checks find the same state, and then the new processes open. */
    const looksTwice = async () => {
      look()
      look()
      await new Promise((resolve) => setImmediate(resolve))
      return opened
    }
    assert.equal(await looksTwice(), 1)
    write('deps/more/common.txt', 'numpy\nscipy\n')
    assert.equal(await looksTwice(), 2)
    write('deps/later.txt', 'numpy<3\n')
    assert.equal(await looksTwice(), 3)
    write('deps/list.txt', 'scikit-learn\n')
    assert.equal(await looksTwice(), 4)
    await process.close()
  })
})
