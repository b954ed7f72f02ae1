import { type ChildProcess, spawnSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { spawnEnding } from '../../ops/bench/ending-child.ts'
import { freePorts } from '../../ops/bench/free-ports.ts'

/** The output of a command of `kubectl` or `helm`. The warnings of the API server are in `said`. */
export interface CommandResult {
  readonly status: number | null
  readonly output: string
  readonly said: string
}

/**
 * A Kubernetes cluster without kubelets: etcd, an API server with RBAC and its default admission plugins, the controllers and the scheduler. Its
 * nodes are entries alone, so the test says when a pod is ready or gone.
 */
export class KubernetesCluster implements AsyncDisposable {
  readonly #program: string
  readonly #helm: string
  readonly #directory: string
  readonly #parts: { readonly name: string; readonly child: ChildProcess }[] = []

  private constructor(program: string, helm: string, directory: string) {
    this.#program = program
    this.#helm = helm
    this.#directory = directory
  }

  static async start(program: string, helm: string): Promise<KubernetesCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-cluster-'))
    const cluster = new KubernetesCluster(program, helm, directory)
    try {
      await cluster.#start()
      return cluster
    } catch (thrown) {
      await cluster[Symbol.asyncDispose]()
      throw thrown
    }
  }

  /** Runs `kubectl`. A failure is thrown with its message, unless `mayFail`. */
  kubectl(argv: readonly string[], options: { readonly input?: string; readonly mayFail?: boolean } = {}): CommandResult {
    return this.#run(this.#program, ['kubectl', '--kubeconfig', join(this.#directory, 'kubeconfig'), ...argv], options)
  }

  /** Runs `helm`. A failure is thrown with its message, unless `mayFail`. */
  helm(argv: readonly string[], options: { readonly mayFail?: boolean } = {}): CommandResult {
    return this.#run(this.#helm, ['--kubeconfig', join(this.#directory, 'kubeconfig'), ...argv], options)
  }

  /** Runs a script of bash, in which `kubectl` and `helm` talk to this cluster. A failure is thrown with its message. */
  script(text: string, directory: string): CommandResult {
    const programs = join(this.#directory, 'programs')
    mkdirSync(programs, { recursive: true })
    const config = `--kubeconfig '${join(this.#directory, 'kubeconfig')}'`
    for (const [name, command] of [
      ['kubectl', `'${this.#program}' kubectl ${config}`],
      ['helm', `'${this.#helm}' ${config}`],
    ] as const)
      writeFileSync(join(programs, name), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 })
    const path = `PATH='${programs}':"$PATH"`
    return this.#run('bash', ['-e', '-o', 'pipefail', '-c', `${path}\ncd '${directory}'\n${text}`], {})
  }

  /** The objects of these kinds in a namespace. `selector`: only the objects with these labels. */
  objects<T>(namespace: string, kinds: string, selector = ''): readonly T[] {
    const argv = ['--namespace', namespace, 'get', kinds, '--output', 'json', ...(selector === '' ? [] : ['--selector', selector])]
    const { items } = JSON.parse(this.kubectl(argv).output) as { readonly items: readonly T[] }
    return items
  }

  /** Waits until an object has a value, as `kubectl wait --for=jsonpath` compares it. */
  waitFor(namespace: string, object: string, path: string, value: string): void {
    this.kubectl(['--namespace', namespace, 'wait', object, `--for=jsonpath={${path}}=${value}`, `--timeout=${longestWaitSeconds}s`])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#parts.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #start(): Promise<void> {
    const [clients = 0, peers = 0, api = 0, controllers = 0, scheduler = 0] = await freePorts(5)
    const inDirectory = (name: string) => join(this.#directory, name)
    const token = randomBytes(24).toString('hex')
    writeFileSync(inDirectory('tokens.csv'), `${token},operator,operator,"system:masters"\n`)
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    writeFileSync(inDirectory('accounts.key'), privateKey)
    writeFileSync(inDirectory('accounts.pub'), publicKey)
    writeFileSync(inDirectory('kubeconfig'), kubeconfig({ api, token, authority: inDirectory('api/apiserver.crt') }))

    this.#spawn('etcd', [
      ...['--data-dir', inDirectory('etcd'), '--listen-client-urls', `http://127.0.0.1:${clients}`, '--unsafe-no-fsync'],
      ...['--advertise-client-urls', `http://127.0.0.1:${clients}`, '--listen-peer-urls', `http://127.0.0.1:${peers}`],
      ...['--initial-advertise-peer-urls', `http://127.0.0.1:${peers}`, '--initial-cluster', `default=http://127.0.0.1:${peers}`],
    ])
    this.#spawn('kube-apiserver', [
      ...['--etcd-servers', `http://127.0.0.1:${clients}`, '--bind-address', '127.0.0.1', '--endpoint-reconciler-type', 'none'],
      ...['--secure-port', String(api), '--cert-dir', inDirectory('api'), '--token-auth-file', inDirectory('tokens.csv')],
      ...['--authorization-mode', 'RBAC', '--service-cluster-ip-range', '10.0.0.0/24', '--service-account-issuer', 'https://cluster.example'],
      ...['--service-account-key-file', inDirectory('accounts.pub'), '--service-account-signing-key-file', inDirectory('accounts.key')],
    ])
    await this.#until('kube-apiserver', () => this.kubectl(['get', '--raw', '/readyz'], { mayFail: true }).status === 0)
    const own = ['--kubeconfig', inDirectory('kubeconfig'), '--authentication-kubeconfig', inDirectory('kubeconfig'), '--leader-elect=false']
    this.#spawn('kube-controller-manager', [
      ...[...own, '--secure-port', String(controllers), '--cert-dir', inDirectory('controllers')],
      ...['--service-account-private-key-file', inDirectory('accounts.key')],
      // A node without a kubelet would be marked as unreachable, and its pods would be evicted.
      ...['--controllers', '*,-node-lifecycle-controller,-taint-eviction-controller'],
    ])
    this.#spawn('kube-scheduler', [...own, '--secure-port', String(scheduler), '--cert-dir', inDirectory('scheduler')])
    await this.#until('kube-controller-manager', () =>
      ['default', 'kube-system'].every(
        (name) => this.kubectl(['--namespace', name, 'get', 'serviceaccount', 'default'], { mayFail: true }).status === 0,
      ),
    )
  }

  #spawn(name: string, argv: readonly string[]): void {
    const log = openSync(join(this.#directory, `${name}.log`), 'w')
    try {
      this.#parts.push({ name, child: spawnEnding(this.#program, [name, ...argv], { stdio: ['ignore', log, log] }) })
    } finally {
      closeSync(log)
    }
  }

  /** Waits until a part answers. Throws an error with the part's last words if it ends or takes too long. */
  async #until(name: string, isReady: () => boolean): Promise<void> {
    for (const end = performance.now() + longestStartMs; performance.now() < end; await setTimeout(200)) {
      const ended = this.#parts.find(({ child }) => child.exitCode !== null || child.signalCode !== null)
      if (ended !== undefined) throw new Error(`${ended.name} has ended:\n${this.#lastWords(ended.name)}`)
      if (isReady()) return
    }
    throw new Error(`${name} is not ready in time:\n${this.#lastWords(name)}`)
  }

  #lastWords(name: string): string {
    return readFileSync(join(this.#directory, `${name}.log`), 'utf8').slice(-4_000)
  }

  #run(program: string, argv: readonly string[], { input, mayFail = false }: { readonly input?: string; readonly mayFail?: boolean }): CommandResult {
    // Neither program may read or write the user's own configuration.
    const env = { ...process.env, HOME: this.#directory, KUBECONFIG: '', HELM_NAMESPACE: '' }
    const { status, stdout, stderr, error } = spawnSync(program, argv, {
      encoding: 'utf8',
      env,
      timeout: longestCallMs,
      ...(input === undefined ? {} : { input }),
    })
    if (error !== undefined) throw error
    if (status !== 0 && !mayFail) throw new Error(`${argv.join(' ')}:\n${stderr.slice(-4_000)}`)
    return { status, output: stdout, said: stderr }
  }
}

function kubeconfig({ api, token, authority }: { readonly api: number; readonly token: string; readonly authority: string }): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'here', cluster: { server: `https://127.0.0.1:${api}`, 'certificate-authority': authority } }],
    users: [{ name: 'operator', user: { token } }],
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'operator' } }],
    'current-context': 'here',
  })
}

const longestStartMs = 120_000
const longestWaitSeconds = 60
const longestCallMs = 120_000
