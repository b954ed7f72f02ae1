import { setTimeout as pause } from 'node:timers/promises'
import type { KafkaCluster } from '../../ops/bench/kafka-broker/brokers.ts'
import type { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'

/** A group of processes. One process of the group may be away at a time. */
export interface Victims {
  readonly kind: 'process' | 'broker'
  readonly names: readonly string[]
  kill(name: string): Promise<void>
  start(name: string): Promise<void>
  /** The way to freeze a process, if the group supports freezing. A frozen process looks dead, and later continues in the middle of its work. */
  readonly frozen?: { freeze(name: string): void; thaw(name: string): void }
}

export interface KillsOptions {
  readonly victims: readonly Victims[]
  readonly random: SimulatedRandom
  /** The shortest and the longest time in ms. `pauseMs`: the pause before a kill. `awayMs`: the time until the victim is started again. */
  readonly pauseMs: readonly [number, number]
  readonly awayMs: readonly [number, number]
  /** Called after each pause with the number of kills so far. */
  readonly isOver: (killed: number) => boolean
  readonly onKill: (kind: Victims['kind'], name: string) => void
  readonly say?: (line: string) => void
}

export interface Killed {
  readonly processes: number
  readonly brokers: number
  /** Processes that were frozen, and not killed, until others had taken over. */
  readonly frozen: number
}

/** Kills processes at random. Each killed process is started again, perhaps after the next kill. At the end all processes run. */
export async function killAtRandom({ victims, random, pauseMs, awayMs, isOver, onKill, say = () => {} }: KillsOptions): Promise<Killed> {
  const away = new Map<Victims, Promise<void>>()
  const killed = { processes: 0, brokers: 0, frozen: 0 }
  const failures: unknown[] = []
  for (;;) {
    await pause(between(random, pauseMs))
    if (failures.length > 0 || isOver(killed.processes + killed.brokers + killed.frozen)) break
    const there = victims.filter((one) => !away.has(one))
    // All numbers are drawn every time, so that a seed's kills depend as little as possible on the speed of this machine.
    const [group, member, forMs, fate] = [random.next(), random.next(), between(random, awayMs), random.next()]
    const chosen = there[Math.floor(group * there.length)]
    const name = chosen?.names[Math.floor(member * chosen.names.length)]
    if (chosen === undefined || name === undefined) continue
    const { frozen } = chosen
    const freezes = frozen !== undefined && fate < frozenShare
    const freeze = async () => {
      say(`froze ${name}, for ${((frozenMs + forMs) / 1000).toFixed(1)} s`)
      frozen?.freeze(name)
      await pause(frozenMs + forMs)
      frozen?.thaw(name)
      say(`${name} goes on`)
    }
    const kill = async () => {
      say(`killed ${name}, for ${(forMs / 1000).toFixed(1)} s`)
      await chosen.kill(name)
      await pause(forMs)
      await chosen.start(name)
      say(`${name} is back`)
    }
    onKill(chosen.kind, name)
    killed[freezes ? 'frozen' : chosen.kind === 'broker' ? 'brokers' : 'processes']++
    away.set(
      chosen,
      (freezes ? freeze() : kill()).catch((error: unknown) => void failures.push(error)).finally(() => away.delete(chosen)),
    )
  }
  await Promise.all(away.values())
  if (failures.length > 0) throw failures[0]
  return killed
}

/** Brokers as a group of victims. A broker is back when its replicas are in sync. */
export function brokersAsVictims(cluster: KafkaCluster): Victims {
  const byName = new Map(cluster.nodes.map((node) => [`broker ${node.id}`, node]))
  return {
    kind: 'broker',
    names: [...byName.keys()],
    kill: async (name) => byName.get(name)?.kill(),
    start: async (name) => {
      await byName.get(name)?.start()
      await cluster.inSync()
    },
  }
}

const frozenShare = 0.25
/** The time for which a process is frozen, in ms. It is longer than a session, so that other processes take over. */
const frozenMs = 6000

function between(random: SimulatedRandom, [from, to]: readonly [number, number]): number {
  return from + random.next() * (to - from)
}
