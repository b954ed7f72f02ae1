import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { type PredictionNumbers, predictionQuestions } from '../../../topology/swarm/prediction-numbers.ts'
import { jsonAnswer } from './described-route.ts'
import { predictionAnswer, predictionTables } from './management-answers.ts'
import { sendJson } from './management-routes.ts'
import { ProblemError } from './problem.ts'

/** Routes with numbers about saved predictions, for the page. The questions are fixed and bounded, and callers cannot send SQL. */
export function predictionRoutes(app: FastifyInstance, numbers: PredictionNumbers): void {
  const config = { scope: 'read' } as const

  app.get(
    '/v1/predictions',
    { config, schema: { ...tags, summary: 'The tables into which swarms of this process save predictions', response: jsonAnswer(predictionTables) } },
    (_, reply) => sendJson(reply, numbers.tables()),
  )

  app.get<{ Params: { question: string }; Querystring: { swarm?: string; table?: string; hours?: string } }>(
    '/v1/predictions/:question',
    {
      config,
      schema: {
        ...tags,
        summary: `Numbers about saved predictions: ${predictionQuestions.join(', ')}`,
        querystring: query,
        response: jsonAnswer(predictionAnswer),
      },
    },
    async ({ params, query: { swarm = '', table = '', hours = '24' } }, reply) => {
      const question = predictionQuestions.find((one) => one === params.question)
      if (question === undefined)
        throw new ProblemError(
          'WAGGLE_NOT_FOUND',
          `There is no question ${params.question.slice(0, 100)}: ask one of ${predictionQuestions.join(', ')}`,
        )
      if (!/^\d{1,3}$/.test(hours) || Number(hours) < 1 || Number(hours) > maxHours)
        throw new ProblemError('WAGGLE_BAD_REQUEST', `hours is a whole number from 1 to ${maxHours}, not ${hours.slice(0, 100)}`)
      return sendJson(reply, await numbers.ask({ question, swarm, table, hours: Number(hours) }))
    },
  )
}

/** Four weeks, in hours. */
const maxHours = 672
const tags = { tags: ['management'] }
const query = Type.Object({
  swarm: Type.Optional(Type.String({ maxLength: 255, description: 'The name of the swarm.' })),
  table: Type.Optional(Type.String({ maxLength: 255, description: 'The table of its save-to-database bee.' })),
  hours: Type.Optional(Type.String({ description: `The hours before now: 1 to ${maxHours}. Default: 24.` })),
})
