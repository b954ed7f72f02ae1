import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freePorts } from '../free-ports.ts'
import { type MavenJars, mavenJars } from '../kafka-streams/maven-jars.ts'
import { untilInSync } from './in-sync.ts'

export interface KafkaCluster {
  readonly brokers: readonly string[]
  /** The brokers that this process started and may kill; empty if the cluster was running already. */
  readonly nodes: readonly KafkaNode[]
  /** Settles when every replica is in sync (`untilInSync`). */
  inSync(): Promise<void>
  close(): Promise<void>
}

export interface KafkaNode {
  readonly id: number
  readonly address: string
  /** Kills the broker at once, as a power cut does. */
  kill(): Promise<void>
  /** Stops the broker as an operator does. The leaders of partitions move to other brokers first. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Suspends the broker. Connections stay open and the broker does not respond, as in a network partition. */
  freeze(): void
  thaw(): void
}

export interface ClusterWish {
  readonly nodes?: 1 | 3
  /** Returns additional settings of a broker. Called once for each broker, before the first start. */
  readonly settings?: () => { readonly [name: string]: string }
  readonly scramUsers?: readonly { readonly name: string; readonly password: string }[]
  /** The protocol of the clients' listener. Brokers use plain text among each other. */
  readonly clientListener?: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SSL' | 'SASL_SSL'
}

/** The broker's jars, or the reason why they are not available. */
export function brokerJars(): MavenJars {
  const how = 'set KAFKA_BROKERS, or install java and mvn'
  if (spawnSync('java', ['-version']).status !== 0) return { missing: `There is no Kafka: java is not on this machine; ${how}` }
  const jars = mavenJars({ name: 'kafka-4.4.0', pom: join(import.meta.dirname, 'pom.xml') })
  return 'missing' in jars ? { missing: `There is no Kafka: ${jars.missing}; ${how}` } : jars
}

/** Starts brokers. They end when the cluster is closed or this process ends. */
export async function startBrokers(libs: string, wish: ClusterWish): Promise<KafkaCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-kafka-'))
  const count = wish.nodes ?? 1
  const ports = await freePorts(count * 3)
  const places = Array.from({ length: count }, (_, at) => ({
    id: at + 1,
    client: ports[at * 3] ?? 0,
    between: ports[at * 3 + 1] ?? 0,
    controller: ports[at * 3 + 2] ?? 0,
  }))
  const voters = places.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join(',')
  // The cluster id is sixteen bytes in base64url, as Kafka writes ids. The first letter is fixed, because a dash there would look like an option.
  const clusterId = `W${randomBytes(16).toString('base64url').slice(1)}`
  const nodes = places.map(({ id, client, between, controller }) => {
    const home = join(directory, String(id))
    mkdirSync(home)
    const settings = {
      ...common(count),
      ...own({ id, client, between, controller, home, wish }),
      'controller.quorum.voters': voters,
      ...wish.settings?.(),
    }
    writeFileSync(join(home, 'server.properties'), properties(settings))
    writeFileSync(join(home, 'log4j2.properties'), properties(logging))
    return new OwnNode({ id, address: `127.0.0.1:${client}`, home, libs, clusterId, scramUsers: wish.scramUsers ?? [] })
  })
  const close = async () => {
    await Promise.all(nodes.map((node) => node.kill()))
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await Promise.all(nodes.map((node) => node.format()))
    await Promise.all(nodes.map((node) => node.start()))
  } catch (error) {
    await close()
    throw error
  }
  const brokers = nodes.map(({ address }) => address)
  return { brokers, nodes, inSync: () => untilInSync(brokers), close }
}

interface NodeOptions {
  readonly id: number
  readonly address: string
  readonly home: string
  readonly libs: string
  readonly clusterId: string
  readonly scramUsers: readonly { readonly name: string; readonly password: string }[]
}

class OwnNode implements KafkaNode {
  readonly id: number
  readonly address: string
  readonly #options: NodeOptions
  #process: ChildProcess | null = null
  #pid = 0
  #starts = 0

  constructor(options: NodeOptions) {
    this.id = options.id
    this.address = options.address
    this.#options = options
  }

  async format(): Promise<void> {
    const { clusterId, home, scramUsers } = this.#options
    const users = scramUsers.flatMap(({ name, password }) =>
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => ['--add-scram', `${mechanism}=[name=${name},password=${password}]`]),
    )
    const argv = this.#java('128m', ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'])
    const format = [...argv, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', join(home, 'server.properties'), ...users]
    await this.#said((output) => spawn('java', format, { stdio: ['ignore', output, output] }), null)
  }

  async start(): Promise<void> {
    const argv = [...this.#java('384m', ['-XX:+UseG1GC']), 'kafka.Kafka', join(this.#options.home, 'server.properties')]
    // When this process dies, the pipe closes, and the shell kills the broker.
    const script = 'exec 3<&0; "$@" </dev/null 3<&- & pid=$!; echo "pid $pid"; (cat <&3 >/dev/null; kill -9 $pid 2>/dev/null) & wait $pid'
    const said = await this.#said((output) => {
      this.#process = spawn('sh', ['-c', script, 'sh', 'java', ...argv], { stdio: ['pipe', output, output] })
      return this.#process
    }, /Kafka Server started/)
    this.#pid = Number(/^pid (\d+)$/m.exec(said)?.[1])
    this.#process?.unref()
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  freeze(): void {
    process.kill(this.#pid, 'SIGSTOP')
  }

  thaw(): void {
    process.kill(this.#pid, 'SIGCONT')
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#process
    this.#process = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.ref()
    if (this.#pid > 0) process.kill(this.#pid, signal)
    else child.stdin?.end()
    await ended
    child.stdin?.end()
  }

  #java(heap: string, options: readonly string[]): readonly string[] {
    const { home, libs } = this.#options
    return [
      `-Xmx${heap}`,
      ...options,
      '-Djava.awt.headless=true',
      `-Dlog4j2.configurationFile=${join(home, 'log4j2.properties')}`,
      '-cp',
      `${libs}/*`,
    ]
  }

  /**
   * Runs a process, and returns its output as soon as the output contains `expected`. If `expected` is null, waits until the process ends with status
   * 0. The output goes to a file, because a full pipe would block the process.
   */
  async #said(run: (output: number) => ChildProcess, expected: RegExp | null): Promise<string> {
    const path = join(this.#options.home, `said-${this.#starts++}.log`)
    const output = openSync(path, 'w')
    const child = run(output)
    closeSync(output)
    let failure: Error | null = null
    child.once('error', (error) => {
      failure = error
    })
    for (;;) {
      const isOver = child.exitCode !== null || child.signalCode !== null
      const said = readFileSync(path, 'utf8')
      if (failure !== null) throw failure
      if (expected === null ? isOver && child.exitCode === 0 : expected.test(said)) return said
      if (isOver) throw new Error(`Broker ${this.id} ended with ${child.exitCode}: ${said.slice(-4000)}`)
      await setTimeout(20)
    }
  }
}

interface NodePlace {
  readonly id: number
  readonly client: number
  readonly between: number
  readonly controller: number
  readonly home: string
  readonly wish: ClusterWish
}

function own({ id, client, between, controller, home, wish }: NodePlace): { readonly [name: string]: string } {
  return {
    'node.id': String(id),
    listeners: `CLIENT://127.0.0.1:${client},BETWEEN://127.0.0.1:${between},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `CLIENT://127.0.0.1:${client},BETWEEN://127.0.0.1:${between}`,
    'listener.security.protocol.map': `CLIENT:${wish.clientListener ?? 'PLAINTEXT'},BETWEEN:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': 'BETWEEN',
    'log.dirs': join(home, 'data'),
  }
}

function common(count: number): { readonly [name: string]: string } {
  const replicas = String(count)
  const inSync = count === 1 ? '1' : '2'
  return {
    'process.roles': 'broker,controller',
    'controller.listener.names': 'CONTROLLER',
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'auto.create.topics.enable': 'false',
    'num.network.threads': '2',
    'num.io.threads': '4',
    'log.cleaner.dedupe.buffer.size': '16777216',
    'log.cleaner.threads': '1',
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    // Tests write records of 1970. A broker would delete them as expired 30 s after its start, with the tests' windows. In topics that are also
    // compacted, such as changelogs of windows, the broker's cleaner would delete them every 15 s.
    'log.initial.task.delay.ms': '86400000',
    'log.retention.check.interval.ms': '86400000',
    'log.cleaner.backoff.ms': '86400000',
  }
}

const logging = {
  status: 'error',
  'appender.console.type': 'Console',
  'appender.console.name': 'C',
  'appender.console.layout.type': 'PatternLayout',
  'appender.console.layout.pattern': '%p %m (%c)%n%ex',
  'rootLogger.level': 'info',
  'rootLogger.appenderRef.c.ref': 'C',
}

function properties(settings: { readonly [name: string]: string }): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}
