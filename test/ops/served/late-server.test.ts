import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { ConfiguredSwarm } from '../../../ops/beekeeper/running-swarm.ts'
import type { OwnClaim } from '../../../ops/served/change-locks.ts'
import { Definitions } from '../../../ops/served/definitions.ts'
import { ServedSwarms, type ServedSwarmsOptions } from '../../../ops/served/served-swarms.ts'
import { moduleSwarm } from '../../support/server-here.ts'

let made = 0
const newId = () => (++made).toString(16).padStart(16, '0')
const versionOf = (version: number) => ({
  swarm: 'a',
  version,
  created_at: 1,
  text: moduleSwarm('a', `./${version}.mjs`),
  file: 'swarm.yaml',
  directory: '.',
})

interface Scene {
  /** Steps of the server with its swarm, in their order. */
  readonly done: string[]
  /** The other server, and its change of the swarm. */
  readonly leader: Definitions
  readonly claim: OwnClaim
  readonly read: Promise<void>
}

/** A server that has opened the bees of version 1 while another server changes the swarm. */
async function starting(test: (scene: Scene) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'waggle-late-'))
  const log = await openEmbeddedLog({ directory: join(root, 'log'), clock: systemClock })
  const open = () => Definitions.open({ log, clock: systemClock, say: () => {}, newId })
  const [leader, definitions] = [await open(), await open()]
  const done: string[] = []
  const [opened, read] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const running = {
    prepare: async ({ swarm }: ConfiguredSwarm) => JSON.stringify(swarm.bees[1]?.spec),
    start: async (version: string, beforeReading: () => Promise<void>) => {
      done.push(`opens ${version}`)
      opened.resolve()
      await beforeReading()
      done.push(`reads ${version}`)
      read.resolve()
    },
    forget: async () => {},
  }
  const given = { running, requests: { shut: () => {} }, definitions, log, groups: null, instance: null, clock: systemClock, say: () => {} }
  const served = new ServedSwarms({ ...given, place: { root, env: {} } } as unknown as ServedSwarmsOptions)
  await served.open()
  const claim = await leader.claim('a')
  try {
    await leader.put(versionOf(1), false, claim)
    await opened.promise
    await test({ done, leader, claim, read: read.promise })
  } finally {
    await served.close()
    await leader.close()
    await log.close()
    rmSync(root, { recursive: true, force: true })
  }
}

describe('A server that starts a swarm while another server changes it', () => {
  it('reads no record until the change has ended', () =>
    starting(async ({ done, claim, read }) => {
      done.push('the change ends')
      await claim.end()
      await read
      assert.deepEqual(done, ['opens {"file":"./1.mjs"}', 'the change ends', 'reads {"file":"./1.mjs"}'])
    }))

  it('reads with the version that the change brings', () =>
    starting(async ({ done, leader, claim, read }) => {
      await leader.put(versionOf(2), false, claim)
      await claim.end()
      await read
      assert.deepEqual(done, ['opens {"file":"./1.mjs"}', 'opens {"file":"./2.mjs"}', 'reads {"file":"./2.mjs"}'])
    }))
})
