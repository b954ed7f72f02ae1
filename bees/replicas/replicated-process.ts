import type { OpenProcess } from '../../topology/swarm/ports/processes.ts'
import type { Replicas } from './replicas.ts'

/** Replicas of a process, with the interface of a single process. All calls of a batch go to the same replica. */
export function replicatedProcess(replicas: Replicas<OpenProcess>): OpenProcess {
  return {
    get isReady() {
      return replicas.isReady
    },
    get wantsParts() {
      return replicas.first.wantsParts === true
    },
    call: (calls) => replicas.call(calls.length, (open) => open.call(calls)),
    close: () => replicas.close(),
  }
}
