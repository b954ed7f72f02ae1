import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { type ProcessDebug, profileLimits } from '../../../topology/swarm/process-debug.ts'
import type { BodyLimits } from './body-limits.ts'
import { jsonAnswer } from './described-route.ts'
import { logLevel, processProfile } from './management-answers.ts'
import { sendJson } from './management-routes.ts'
import { ProblemError } from './problem.ts'
import { readJson } from './request-body.ts'

/** Routes for operators who search for slow or faulty parts of this process. */
export function debugRoutes(app: FastifyInstance, debug: ProcessDebug, bodies: BodyLimits): void {
  const tags = ['management']
  // These routes also answer under pressure, because an overloaded process is the process to profile.
  const config = { scope: 'manage', pressureHandler: () => {} } as const
  // A profile would delay the end of the process.
  app.addHook('preClose', () => debug.close())

  app.post<{ Querystring: { readonly seconds?: string } }>(
    '/v1/debug/profile',
    {
      config,
      schema: {
        tags,
        summary: 'A CPU profile and an allocation sample of each thread, and the time at each bee; one at a time',
        response: jsonAnswer(processProfile),
        querystring: Type.Object({
          seconds: Type.Optional(Type.String({ description: `From 1 to ${profileLimits.seconds}. Default: ${profileLimits.usualSeconds}.` })),
        }),
      },
    },
    async ({ query }, reply) => sendJson(reply, await debug.profile(secondsIn(query.seconds))),
  )

  app.get(
    '/v1/log-level',
    { config: { scope: 'read' }, schema: { tags, summary: 'The levels of this process’s log', response: jsonAnswer(logLevel) } },
    (_, reply) => sendJson(reply, { level: debug.logLevel }),
  )

  app.put(
    '/v1/log-level',
    {
      config: { scope: 'manage', body: { consumes: ['application/json'], schema: logLevel } },
      schema: { tags, summary: 'Changes the levels of the log ({level}), until the settings are read again', response: jsonAnswer(logLevel) },
    },
    async (request, reply) => {
      const { level } = ((await readJson(request, reply, bodies)) ?? {}) as { readonly level?: unknown }
      if (typeof level !== 'string') throw new ProblemError('WAGGLE_BAD_REQUEST', 'The body is {"level": TEXT}, such as {"level": "info,svm=debug"}')
      debug.setLogLevel(level)
      return sendJson(reply, { level: debug.logLevel })
    },
  )
}

function secondsIn(text: string | undefined): number {
  if (text === undefined) return profileLimits.usualSeconds
  const seconds = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? Number(text) : 0
  if (seconds >= 1 && seconds <= profileLimits.seconds) return seconds
  throw new ProblemError('WAGGLE_BAD_REQUEST', `seconds is a number from 1 to ${profileLimits.seconds}, not ${text.slice(0, 100)}`)
}
