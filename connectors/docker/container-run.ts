import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import type Docker from 'dockerode'
import type { Clock } from '../../processor/ports.ts'
import type { ContainerOptions } from '../../topology/swarm/ports/containers.ts'
import type { BeeRunEvents } from '../processes/bee-run.ts'
import { BeeSocket } from '../processes/bee-socket.ts'
import { outOfMemory } from '../processes/process-errors.ts'
import { drainMs, ProgramRun } from '../processes/program-run.ts'
import { AttachedStreams } from './attached-streams.ts'
import { containerSettings } from './container-settings.ts'
import { type DockerEngine, dockerSays, statusOf } from './docker-engine.ts'
import { HealthWatch } from './health-watch.ts'
import type { FoundImage } from './images.ts'

export interface ContainerRunOptions {
  readonly engine: DockerEngine
  readonly clock: Clock
  readonly image: FoundImage
  readonly options: ContainerOptions
  /** Labels of the container. Later processes find leftover containers by these labels. */
  readonly labels: { readonly [name: string]: string }
  /** Makes a name for the new container. Called again if another container has that name. */
  readonly newName: () => string
}

/** One run of a bee's program in its own container. The container is removed when the program has ended. */
export class ContainerRun extends ProgramRun {
  readonly #run: ContainerRunOptions
  readonly #clock: Clock
  readonly #events: BeeRunEvents
  readonly #streams = new AttachedStreams()
  readonly #socket: BeeSocket | null
  /** Output from before the first successful health check; null if no output is held back. */
  #held: Buffer[] | null
  #container: Docker.Container | null = null
  #connection: Duplex | null = null
  #health: HealthWatch | null = null
  /** The reason why Waggle ends the container; null while Waggle lets it run. */
  #fault: string | null = null
  #isKilled = false
  #hasStarted = false
  #hasEnded = false

  constructor(run: ContainerRunOptions, events: BeeRunEvents) {
    super({ clock: run.clock, events, log: run.options.log })
    this.#run = run
    this.#clock = run.clock
    this.#events = events
    this.#held = run.image.isChecked ? [] : null
    this.addLog(this.#streams.stderr)
    this.#socket = run.engine.isLocal ? new BeeSocket((connection) => this.chosenStream?.connected(connection), { forAll: true }) : null
    this.#start().catch((thrown: unknown) => this.#goneLater(`${this.#hasStarted ? 'is lost' : 'cannot be started'}: ${dockerSays(thrown)}`))
  }

  override kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (signal === 'SIGKILL') this.#isKilled = true
    if (this.isGone) return
    this.#container?.kill({ signal }).catch((thrown: unknown) => {
      // Docker refuses to kill a container that has already ended.
      if (statusOf(thrown) === null) this.#goneLater(`is lost: ${dockerSays(thrown)}`)
    })
    if (signal === 'SIGKILL') this.#goneSoon(this.#container === null ? 'gets no answer from Docker' : 'does not end after a SIGKILL')
  }

  async #start(): Promise<void> {
    const docker = await this.#run.engine.client
    const container = await this.#create(docker)
    if (this.isGone) return await container.remove({ force: true, v: true })
    this.#container = container
    const connection = (await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true })) as Duplex
    if (this.isGone) {
      connection.destroy()
      return
    }
    this.#connection = connection
    const closed = Promise.withResolvers<void>()
    connection.on('data', (chunk: Buffer) => this.#streams.push(chunk))
    // A connection ends with its container. If the connection breaks earlier, nothing more can be read from the container.
    for (const event of ['end', 'close', 'error']) connection.once(event, () => closed.resolve())
    void closed.promise.then(() => this.#streams.end())
    this.openStream(
      { stdin: connection, stdout: this.#streams.stdout },
      {
        refuseConnection: () => this.#socket?.close(),
        heard: (chunk) => this.#hear(chunk),
        stdoutIsLog: () => this.#streams.stdoutIsLog(),
      },
    )
    await container.start()
    this.#hasStarted = true
    if (this.#isKilled) this.kill('SIGKILL')
    if (this.#held !== null)
      this.#health = new HealthWatch(container, this.#clock, { passed: () => this.#letThrough(), failed: (why) => this.#fail(why) })
    await this.#ended(container, closed.promise)
  }

  /**
   * Creates the container. If another container has the name, a new name is tried. The container gets no socket if Docker does not see the socket's
   * folder, because Waggle itself runs in a container or has its own /tmp.
   */
  async #create(docker: Docker): Promise<Docker.Container> {
    const { options, image, labels, newName } = this.#run
    let socket = this.#socket?.path ?? null
    for (let tries = 1; ; tries++) {
      try {
        return await docker.createContainer({ ...containerSettings(options, { image, labels, socket }), name: newName() })
      } catch (thrown) {
        const says = dockerSays(thrown)
        const seesNoFolder = socket !== null && /bind source path does not exist/.test(says) && says.includes(dirname(socket))
        if (seesNoFolder) socket = null
        else if (statusOf(thrown) !== 409 || tries === maxNames) throw thrown
      }
    }
  }

  /** Waits for the end of the container, and for the rest of its output. */
  async #ended(container: Docker.Container, closed: Promise<void>): Promise<void> {
    const { StatusCode: status } = (await container.wait()) as { readonly StatusCode: number }
    this.#hasEnded = true
    this.#health?.close()
    this.drainLogs()
    const drained = Promise.withResolvers<void>()
    const cancel = this.#clock.after(drainMs, () => drained.resolve())
    await Promise.race([closed, drained.promise])
    await Promise.race([new Promise<void>((resolve) => this.chosenStream?.onceRead(resolve)), drained.promise])
    cancel()
    const state = await container
      .inspect()
      .then((found) => found.State)
      .catch(() => null)
    this.#goneLater(this.#whyEnded(status, state))
  }

  #whyEnded(status: number, state: { readonly OOMKilled?: boolean; readonly Error?: string } | null): string {
    const { limits } = this.#run.options
    if (this.#fault !== null) return this.#fault
    if (state?.OOMKilled === true) return outOfMemory(limits.memoryBytes)
    const { misfit } = this.#run.image
    const why = status > 128 && status < 160 ? `was ended by ${signalName(status - 128)}` : `ended with status ${status}`
    return misfit === null ? why : `${why}; ${misfit}`
  }

  #hear(chunk: Buffer): void {
    if (this.#held === null) this.#events.stdout(chunk)
    else if (this.#held.reduce((bytes, one) => bytes + one.length, chunk.length) <= maxHeldBytes) this.#held.push(chunk)
    else this.#fail(`wrote more than ${maxHeldBytes} bytes before its health check passed`)
  }

  #letThrough(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const chunk of held) this.#events.stdout(chunk)
  }

  #fail(why: string): void {
    this.#fault ??= why
    this.kill('SIGKILL')
  }

  #goneSoon(why: string): void {
    if (!this.#hasEnded) this.planEnd(killMs, () => this.#goneLater(why))
  }

  /** Ends the run in a later turn of the event loop, because the last line of a stream arrives after the stream's end. */
  #goneLater(why: string): void {
    this.gone(why, (close) => void setImmediate(close))
  }

  protected override get hasEnded(): boolean {
    return this.#hasEnded
  }

  protected override release(): void {
    this.#health?.close()
    this.#socket?.close()
    this.#connection?.destroy()
    this.#streams.end()
    // The container may be gone already, because Docker has ended or because somebody has removed the container. A container that stays is removed at
    // the next start.
    this.#container?.remove({ force: true, v: true }).catch(() => {})
  }
}

function signalName(number: number): string {
  return (
    new Map([
      [6, 'SIGABRT'],
      [7, 'SIGBUS'],
      [9, 'SIGKILL'],
      [11, 'SIGSEGV'],
      [15, 'SIGTERM'],
    ]).get(number) ?? `signal ${number}`
  )
}

/** The time that Docker has to end a container after SIGKILL. */
const killMs = 30_000
const maxHeldBytes = 64 * 1024
const maxNames = 5
