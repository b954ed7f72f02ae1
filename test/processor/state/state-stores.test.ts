import type { StateDirectory, StoreBytes, TaskDisk } from '../../../processor/ports.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { stateStoresContract } from '../../contract/state-stores.ts'
import { propertyRuns } from '../../support/property-runs.ts'

const simulated = () => new SimulatedStateDirectory(new SimulatedStateFiles('process'))

stateStoresContract('a simulated disk', async () => ({ directory: simulated(), close: async () => {} }), { numRuns: propertyRuns(100) })

stateStoresContract('a disk that deletes rows one by one', async () => ({ directory: oneByOne(simulated()), close: async () => {} }), {
  numRuns: propertyRuns(30),
})

/** The same directory without `clearBefore`, so that rows are deleted one by one. */
function oneByOne(directory: StateDirectory): StateDirectory {
  const plain = (bytes: StoreBytes): StoreBytes => ({
    get: (key) => bytes.get(key),
    getMany: (keys) => bytes.getMany(keys),
    range: (from, to, options) => bytes.range(from, to, options),
  })
  const open = (task: string): TaskDisk => {
    const disk = directory.open(task)
    return {
      store: (name) => plain(disk.store(name)),
      offset: (changelog) => disk.offset(changelog),
      topicId: (changelog) => disk.topicId(changelog),
      write: (batch) => disk.write(batch),
      wipe: (store, changelogs) => disk.wipe(store, changelogs),
    }
  }
  return {
    processId: directory.processId,
    open,
    copies: () => directory.copies(),
    forget: (task) => directory.forget(task),
    close: () => directory.close(),
  }
}
