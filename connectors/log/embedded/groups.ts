import { Group, type GroupConsumer } from './group-consumer.ts'

/**
 * The groups of this process, by name and by the topics that their members read. The index by topic follows each change at once. A search in all
 * groups for each partition would cost the square of the number of swarms.
 */
export class Groups {
  readonly #byName = new Map<string, Group>()
  /** The groups that read a topic, each with the number of its members that read it. */
  readonly #byTopic = new Map<string, Map<Group, number>>()

  get all(): Iterable<Group> {
    return this.#byName.values()
  }

  find(name: string): Group | undefined {
    return this.#byName.get(name)
  }

  /** The groups of which a member reads the topic. */
  reading(topic: string): Iterable<Group> {
    return this.#byTopic.get(topic)?.keys() ?? []
  }

  /** The group with this name. It is made if it does not exist. */
  open(name: string): Group {
    const group = this.#byName.get(name) ?? new Group(name, this)
    this.#byName.set(name, group)
    return group
  }

  joined(group: Group, { topics }: Pick<GroupConsumer, 'topics'>): void {
    for (const topic of new Set(topics)) {
      const groups = this.#byTopic.get(topic) ?? new Map<Group, number>()
      this.#byTopic.set(topic, groups.set(group, (groups.get(group) ?? 0) + 1))
    }
  }

  left(group: Group, { topics }: Pick<GroupConsumer, 'topics'>): void {
    for (const topic of new Set(topics)) {
      const groups = this.#byTopic.get(topic)
      const others = (groups?.get(group) ?? 1) - 1
      if (others > 0) groups?.set(group, others)
      else groups?.delete(group)
      if (groups?.size === 0) this.#byTopic.delete(topic)
    }
  }
}
