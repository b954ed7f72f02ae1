import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { SimulatedDisk } from '../../../processor/simulation/simulated-disk.ts'
import { SimulatedLog } from '../../../processor/simulation/simulated-log.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import { logContract } from '../../contract/log.ts'

for (const traits of [
  { atomicCommit: true, repeatsRecords: false, handsOn: true },
  { atomicCommit: true, repeatsRecords: false, handsOn: false },
  { atomicCommit: false, repeatsRecords: true, handsOn: false },
]) {
  const words = Object.entries(traits).flatMap(([trait, has]) => (has ? [trait] : []))
  logContract(`The simulated log (${words.join(', ')})`, async () => {
    const clock = new SimulatedClock()
    const disk = new SimulatedDisk()
    const open = () => new SimulatedLog({ disk, clock, random: new SimulatedRandom(1), traits })
    const log = open()
    return { log, clock, reopen: async () => open(), close: () => log.close() }
  })
}
