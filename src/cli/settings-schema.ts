import { z } from 'zod';
import { SWITCH_WORDS } from '../model/switch-value.ts';
import { envName, type Flag } from './flags.ts';
import { schema } from './settings.ts';
import { KEYS } from './settings-file/keys.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** A value that is filled in from the environment. */
const REFERENCE: JsonSchema = { type: 'string', pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-.*)?\\}' };

/**
 * The JSON Schema (draft 2020-12) of a settings file, made from the flags and from what settings are checked with. It is
 * for editors: what it takes and the command refuses is told by the command.
 */
export function settingsSchema(): JsonSchema {
  const checks = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }).properties ?? {};
  const settings = [...KEYS].map(([name, key]) => {
    if (key.kind === 'flag') return [name, flagSchema(key.flag, checks[name] as JsonSchema)] as const;
    return [name, key.kind === 'secret' ? secretSchema(key.secret) : secretFileSchema(key.secret)] as const;
  });
  const references = Object.fromEntries(settings.map(([name]) => [name, { $ref: `#/$defs/${name}` }]));
  const { env, ...inEnvironment } = references;
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Settings of tenant-migrate',
    description:
      'A flag of the command line is a setting here, without its dashes. What an environment sets counts before what stands at the top.',
    type: ['object', 'null'],
    properties: {
      env,
      ...inEnvironment,
      environments: {
        description: 'Named environments, chosen with --env or TENANT_MIGRATE_ENV, and below each its settings.',
        type: 'object',
        propertyNames: { pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$' },
        additionalProperties: { $ref: '#/$defs/environment' },
      },
    },
    additionalProperties: false,
    $defs: {
      environment: { type: ['object', 'null'], properties: inEnvironment, additionalProperties: false },
      ...Object.fromEntries(settings),
    },
  };
}

/** The words of a switch in any case: JSON Schema's patterns know no flag for that. */
const SWITCH_TEXT = {
  type: 'string',
  pattern: `^(${SWITCH_WORDS.map((word) => word.replaceAll(/[a-z]/g, (letter) => `[${letter.toUpperCase()}${letter}]`)).join('|')})$`,
};

function flagSchema(flag: Flag, check: JsonSchema): JsonSchema {
  const { name, help, fallback } = flag;
  const description = `${help} (--${name}, ${envName(name)})`;
  // A number may be written as one; `number` stands at the checks that read one.
  const { number, ...text } = check as { readonly number?: JsonSchema };
  if (flag.kind === 'switch') {
    return { description, default: false, anyOf: [{ type: 'boolean' }, { enum: [0, 1] }, SWITCH_TEXT, REFERENCE] };
  }
  if (flag.kind === 'list') {
    const items = { ...((check as { readonly items?: JsonSchema }).items ?? { type: 'string' }) };
    return {
      description,
      anyOf: [
        { type: 'array', items: { anyOf: [items, REFERENCE] }, minItems: 1 },
        { type: 'string', minLength: 1 },
      ],
    };
  }
  const standard = fallback === undefined ? {} : { default: number === undefined ? fallback : Number(fallback) };
  return {
    description,
    ...standard,
    anyOf: [...(number === undefined ? [] : [number]), { type: 'string', ...text }, REFERENCE],
  };
}

function secretSchema(secret: string): JsonSchema {
  return {
    description: `Secret: write \${${secret}}, or name a file with the key that ends in -file. Its variable is ${secret}.`,
    type: ['string', 'number'],
  };
}

function secretFileSchema(secret: string): JsonSchema {
  return { description: `File that holds ${secret}, such as /run/secrets/…`, type: 'string', minLength: 1 };
}
