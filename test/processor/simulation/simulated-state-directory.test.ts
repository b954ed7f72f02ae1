import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { stateDirectoryContract } from '../../contract/state-directory.ts'

stateDirectoryContract('The simulated one', async () => {
  const files = new SimulatedStateFiles('a process')
  return { directory: new SimulatedStateDirectory(files), reopen: async () => new SimulatedStateDirectory(files), close: async () => {} }
})
