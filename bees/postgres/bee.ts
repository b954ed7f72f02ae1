import { Type } from 'typebox'
import type { DescribedStatement, OpenPostgres, Postgres } from '../../topology/swarm/ports/postgres.ts'
import { Secret, secretText } from '../../topology/swarm/secrets/secret.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type BeeContext, type BeeRemark, defineBee } from '../define-bee.ts'
import { NamedStatement } from './named-statement.ts'
import { SharedPreparation } from './shared-preparation.ts'
import { statementValues } from './statement-values.ts'

export default defineBee({
  type: 'postgres',
  role: 'call',
  uses: ['replicas'],
  keepsInput: true,
  summary: 'Runs a query on PostgreSQL for each request, with fields of the input as its parameters. Its result is the list of rows.',
  delivery:
    'A query that writes runs once for a request, in a loop once each round: the table waggle_writes remembers it in the same transaction, and a repetition gets the same rows. With once: false it may run again after a crash: then make it idempotent by :request_id, as with ON CONFLICT.',
  spec: Type.Object(
    {
      db: secretText({
        minLength: 1,
        description: 'The database: postgres://USER:PASSWORD@HOST:PORT/DATABASE. Write the password as {{ secrets.NAME }}.',
      }),
      query: Type.String({
        minLength: 1,
        description:
          'One SQL statement. :name stands for the field of that name in the input, :a.b for a field inside a field, :request_id for the request’s id.',
      }),
      connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Connections of each process at most (8).' })),
      statement_seconds: Type.Optional(
        Type.Number({ exclusiveMinimum: 0, maximum: 86_400, description: 'The server ends a query that takes longer (30).' }),
      ),
      max_rows: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, description: 'The most rows of a result (1000). More are an error.' })),
      once: Type.Optional(
        Type.Boolean({ description: 'Remember writes in the table waggle_writes, so that none happens twice (true for a query that writes).' }),
      ),
    },
    { additionalProperties: false, required: ['db', 'query'] },
  ),
  examples: [
    {
      db: 'postgres://waggle:{{ secrets.DB_PASSWORD }}@db.example/shop',
      query: 'INSERT INTO predictions (request_id, label) VALUES (:request_id, :label)',
    },
  ],
  async check({ spec, swarm, bee, ports }) {
    const statement = NamedStatement.parse(spec.query)
    const database = opened(ports.postgres, spec, `waggle validate ${swarm}/${bee}`)
    try {
      const { parameters, columns } = checked(await database.describe(statement))
      const takes = statement.parameters.map((name, at) => `${name} ${parameters[at]}`).join(', ') || 'no field'
      const gives = columns.map(({ name, type }) => `${name} ${type}`).join(', ')
      return {
        summary: `takes ${takes}; gives ${gives === '' ? 'an empty list' : `rows of ${gives}`}`,
        remarks: passwordRemarks(spec.db),
      }
    } finally {
      await database.close()
    }
  },
  async create(context: BeeContext<PostgresSpec>) {
    const { spec, swarm, bee, ports, log } = context
    const statement = NamedStatement.parse(spec.query)
    const database = opened(ports.postgres, spec, `waggle ${swarm}/${bee}`)
    const query = new Query(context, statement, database)
    const preparation = new SharedPreparation((signal) => query.prepare(signal))
    try {
      await preparation.start()
    } catch (thrown) {
      if (!(thrown instanceof WaggleError) || thrown.code !== 'WAGGLE_POSTGRES_AWAY') {
        await database.close()
        throw thrown
      }
      log('error', `${thrown.message} (${thrown.code}). Requests get this error until the server answers. ${thrown.next}`)
    }
    return {
      async process(input: unknown, { id, callId, signal }) {
        const { types, effect } = await preparation.result(signal)
        const values = statementValues(input, id, { fields: statement.fields, types })
        return database.run({
          statement,
          values,
          signal,
          maxRows: spec.max_rows ?? 1000,
          effect: effect === 'once' ? { once: { swarm, bee, requestId: callId } } : effect,
        })
      },
      close() {
        preparation.close()
        return database.close()
      },
    }
  },
})

interface PostgresSpec {
  readonly db: string | Secret
  readonly query: string
  readonly connections?: number
  readonly statement_seconds?: number
  readonly max_rows?: number
  readonly once?: boolean
}

interface PreparedQuery {
  /** The SQL types of the parameters. */
  readonly types: readonly string[]
  readonly effect: 'read' | 'any' | 'once'
}

/** The query of a bee, with the types that the server finds for it. */
class Query {
  readonly #context: BeeContext<PostgresSpec>
  readonly #statement: NamedStatement
  readonly #database: OpenPostgres

  constructor(context: BeeContext<PostgresSpec>, statement: NamedStatement, database: OpenPostgres) {
    this.#context = context
    this.#statement = statement
    this.#database = database
  }

  /** Asks the server for the types of the query. With a signal, waits up to ten seconds for a server that does not respond. */
  async prepare(signal?: AbortSignal): Promise<PreparedQuery> {
    const { parameters } = checked(await this.#database.describe(this.#statement, signal))
    return { types: parameters, effect: await this.#effect() }
  }

  async #effect(): Promise<PreparedQuery['effect']> {
    const { spec, log, bee } = this.#context
    const { isRead } = this.#statement
    if (!(spec.once ?? !isRead)) return isRead ? 'read' : 'any'
    if (await this.#database.makeWriteTable()) return 'once'
    const why = `the role of spec.db may not make the table waggle_writes, by which a write of ${bee} happens once`
    const next = 'Make the table as docs/outside-services.md has it, or set once: false and make the query idempotent by :request_id.'
    if (spec.once === true) throw new WaggleError('WAGGLE_POSTGRES_REFUSED', { message: why, next })
    log('warn', `${why}: after a crash it may happen twice. ${next}`)
    return 'any'
  }
}

function opened(postgres: Postgres, { db, connections = 8, statement_seconds = 30 }: PostgresSpec, application: string): OpenPostgres {
  return postgres.open({ db, connections, statementMs: statement_seconds * 1000, application })
}

/**
 * Returns the description of a query. Throws WAGGLE_POSTGRES_QUERY for a query with two columns of the same name, because a row would lose one of
 * them.
 */
function checked(description: DescribedStatement): DescribedStatement {
  const names = description.columns.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) < at)
  if (twice === undefined) return description
  throw new WaggleError('WAGGLE_POSTGRES_QUERY', {
    message: `the result of the query has two columns named ${twice}`,
    next: 'Give one of these columns another name with AS.',
  })
}

function passwordRemarks(db: string | Secret): readonly BeeRemark[] {
  if (db instanceof Secret || !/^[a-z]+:\/\/[^/@]*:[^/@]+@/.test(db)) return []
  const message = 'the password of db is in the swarm file, where everybody can read it'
  return [{ kind: 'warning', message, next: 'Write {{ secrets.NAME }} in its place, and set WAGGLE_SECRET_NAME.' }]
}
