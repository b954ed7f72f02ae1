import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { readCodeFiles } from '../../../ops/served/code-files.ts'
import { configuredText } from '../../../ops/served/configured-text.ts'
import { Definitions } from '../../../ops/served/definitions.ts'
import { ServedSwarms, type ServedSwarmsOptions } from '../../../ops/served/served-swarms.ts'
import { moduleSwarm } from '../../support/server-here.ts'

/**
 * Changes a swarm to version 2 at another server of the log, which has `theirs` as its module. This server has `ours`. Returns what this server opened,
 * and the refusal that the other server got.
 */
async function changed({ theirs, ours }: { readonly theirs: string; readonly ours: string }): Promise<{ opened: string[]; refusal: string | null }> {
  const root = mkdtempSync(join(tmpdir(), 'waggle-other-'))
  const place = { root, env: {} }
  const log = await openEmbeddedLog({ directory: join(root, 'log'), clock: systemClock })
  let made = 0
  const open = () => Definitions.open({ log, clock: systemClock, say: () => {}, newId: () => (++made).toString(16).padStart(16, '0') })
  const [leader, definitions] = [await open(), await open()]
  const opened: string[] = []
  const [started, follows] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const running = {
    prepare: async () => ({ plan: { gateways: [] }, application: { state: 'RUNNING' } }),
    start: async (_: unknown, beforeReading: () => Promise<void>) => {
      opened.push('version 1')
      await beforeReading()
      started.resolve()
    },
    startBeside: async () => {
      opened.push('version 2')
      follows.resolve()
      throw new Error('the test ends here')
    },
  }
  const given = { running, requests: { shut: () => {}, hold: () => () => {} }, definitions, log, groups: null, instance: null, clock: systemClock }
  const served = new ServedSwarms({ ...given, say: () => {}, place } as unknown as ServedSwarmsOptions)
  try {
    await served.open()
    const version = (number: number) => ({
      swarm: 'a',
      version: number,
      created_at: 1,
      text: moduleSwarm('a', './bee.mjs'),
      file: 'a.yaml',
      directory: '.',
    })
    writeFileSync(join(root, 'bee.mjs'), theirs)
    const { hashes: files } = await readCodeFiles(configuredText(version(2), place))
    writeFileSync(join(root, 'bee.mjs'), ours)
    const first = await leader.claim('a')
    await leader.put(version(1), false, first)
    await first.end()
    await started.promise
    const second = await leader.claim('a')
    await leader.write({ ...version(2), files }, second)
    await second.advance('open', 2)
    const refused = async () => {
      for (;;) {
        const next = leader.next('a')
        if (second.now?.phase === 'refused') return second.now.reason
        await next
      }
    }
    return { opened, refusal: await Promise.race([refused(), follows.promise.then(() => null)]) }
  } finally {
    await served.close()
    await leader.close()
    await log.close()
    rmSync(root, { recursive: true, force: true })
  }
}

describe('A server that follows the change of another server', () => {
  it('refuses a version that was made with other files of code, and names them', async () => {
    const { opened, refusal } = await changed({ theirs: 'export default 1\n', ours: 'export default 2\n' })
    assert.deepEqual(opened, ['version 1'])
    assert.match(refusal ?? '', /files of code differ from those of the server that changes it: bee\.mjs/)
  })

  it('opens a version that was made with the same files', async () => {
    const { opened, refusal } = await changed({ theirs: 'export default 1\n', ours: 'export default 1\n' })
    assert.deepEqual({ opened, refusal }, { opened: ['version 1', 'version 2'], refusal: null })
  })
})
