import { type ChangelogOffset, partitionName, type StateDirectory, type StoreBytes, type TaskDisk } from '../ports.ts'
import { SimulatedDisk } from './simulated-disk.ts'

/** The files of a process's changelog copies. The files survive a crash, so the next process that opens them has the copies of the last process. */
export class SimulatedStateFiles {
  readonly processId: string
  readonly stores = new SimulatedDisk()
  readonly tasks = new Map<string, Map<string, ChangelogOffset>>()

  constructor(processId: string) {
    this.processId = processId
  }
}

export class SimulatedStateDirectory implements StateDirectory {
  readonly processId: string
  readonly #files: SimulatedStateFiles
  readonly #open = new Map<string, object>()

  constructor(files: SimulatedStateFiles) {
    this.processId = files.processId
    this.#files = files
  }

  open(task: string): TaskDisk {
    const { stores, tasks } = this.#files
    const offsets = tasks.get(task) ?? new Map<string, ChangelogOffset>()
    tasks.set(task, offsets)
    const owner = {}
    this.#open.set(task, owner)
    const isMine = () => this.#open.get(task) === owner
    return {
      store: (name): StoreBytes => stores.store(task, name),
      offset: (changelog) => offsets.get(partitionName(changelog))?.offset ?? null,
      topicId: (changelog) => offsets.get(partitionName(changelog))?.topicId ?? null,
      write: (batch) => {
        if (!isMine()) return
        for (const { store, entries } of batch.changes) for (const [key, value] of entries) stores.store(task, store).change(key, value)
        for (const one of batch.offsets) offsets.set(partitionName(one), { ...offsets.get(partitionName(one)), ...one })
      },
      wipe: (store, changelogs) => {
        if (!isMine()) return
        stores.drop(task, store)
        for (const one of changelogs) offsets.delete(partitionName(one))
      },
    }
  }

  copies(): ReadonlyMap<string, readonly ChangelogOffset[]> {
    return new Map([...this.#files.tasks].filter(([, offsets]) => offsets.size > 0).map(([task, offsets]) => [task, [...offsets.values()]]))
  }

  forget(task: string): void {
    this.#open.delete(task)
    this.#files.tasks.delete(task)
    this.#files.stores.dropTask(task)
  }

  async close(): Promise<void> {
    this.#open.clear()
  }
}
