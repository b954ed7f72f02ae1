import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { type FunctionSwarm, newRequest, startSwarm } from '../../support/function-swarm.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { countSteps } from '../../support/steps.ts'

const yaml = (name: string) => `
name: ${name}
bees:
  - {name: entrance, type: gateway-input, spec: {name: ${name}}}
  - {name: left, type: function, input: {name: entrance}}
  - {name: right, type: function, input: {name: entrance}}
  - {name: both, type: function, input: {join: [left, right]}, timeout_seconds: 30}
  - {name: answer, type: respond, input: {name: both}}
`
const requests = propertyRuns(40)

/** The mean number of steps that the engine and the embedded log take for a request. `quiet`: the number of other swarms in the process. */
async function stepsOfRequest({ partitions, quiet = 0 }: { readonly partitions: number; readonly quiet?: number }): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-steps-'))
  const log = await openEmbeddedLog({ directory, clock: systemClock })
  const start = (name: string) =>
    startSwarm({ clock: systemClock, random: new SystemRandom() }, log, yaml(name), { left: () => 1, right: () => 2, both: () => 3 }, new Map(), {
      partitions,
    })
  const others: FunctionSwarm[] = []
  for (let at = 0; at < quiet; at++) others.push(await start(`quiet${at}`))
  const swarm = await start('busy')
  let id = 0
  const ask = async () => {
    for (let at = 0; at < requests; at++)
      assert.equal((await swarm.requests.request({ ...newRequest(`request ${id++}`), gateway: 'busy' })).state, 'answered')
  }
  await ask()
  // Retention walks over all partitions now and then, perhaps during one of the counts. So the lowest count is taken.
  const counts: number[] = []
  for (let count = 0; count < 3; count++) counts.push(await countSteps(['processor', 'connectors/log'], ask))
  for (const one of [swarm, ...others]) await one.close()
  await log.close()
  rmSync(directory, { recursive: true })
  return Math.min(...counts) / requests
}

describe('A request with a join', () => {
  it('takes about as many steps in a swarm of 1,024 partitions as in one of 4', async () => {
    const narrow = await stepsOfRequest({ partitions: 4 })
    const wide = await stepsOfRequest({ partitions: 1024 })
    assert.ok(wide < 1.5 * narrow, `${narrow} steps with 4 partitions, ${wide} with 1,024`)
  })

  it('takes about as many steps beside thirty quiet swarms as without other swarms', async () => {
    const alone = await stepsOfRequest({ partitions: 4 })
    const beside = await stepsOfRequest({ partitions: 4, quiet: 30 })
    assert.ok(beside < 1.5 * alone, `${alone} steps alone, ${beside} beside thirty swarms`)
  })
})
