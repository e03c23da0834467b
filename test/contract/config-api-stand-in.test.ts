import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ConfigApiStandIn, startConfigApiStandIn } from '../support/config-api-stand-in.ts';

const LLM = { model: 'm1', api_key: 'sk-1234567890abcdef', nested: { api_key: 'sk-inner-1234567890' } };

let standIn: ConfigApiStandIn;

beforeEach(async () => {
  standIn = await startConfigApiStandIn({
    configs: { siraya: { llm_config: LLM, mineru_config: { api_token: 'short' }, custom_prompts: { a: 'b' } } },
  });
});

afterEach(async () => {
  await standIn.close();
});

describe('reading', () => {
  it('masks the secrets at the top of each section and nothing else', async () => {
    const { status, json } = await call('GET', 'siraya');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      tenant_id: 'siraya',
      llm_config: { model: 'm1', api_key: 'sk-***cdef', nested: { api_key: 'sk-inner-1234567890' } },
      mineru_config: { api_token: '***' },
      custom_prompts: { a: 'b' },
      embedding_config: null,
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
  });

  it('merges the masked sections over the global defaults', async () => {
    const { json } = await call('GET', 'siraya');
    expect(json).toMatchObject({
      merged_config: {
        llm_config: { provider: 'openai', model: 'm1', api_key: 'sk-***cdef' },
        embedding_config: { model: 'global-embedding', api_key: 'sk-***3210' },
        ds_ocr_config: null,
      },
    });
  });

  it('a tenant without a config is a 404 that names it', async () => {
    expect(await call('GET', 'nobody')).toEqual({
      status: 404,
      json: { detail: { message: expect.any(String), tenant_id: 'nobody', using_global_config: true } },
    });
  });

  it('another path is a plain 404', async () => {
    const reply = await request(`${standIn.url}/api/tenants/siraya/config`);
    expect(reply.statusCode).toBe(404);
    expect(await reply.body.json()).toEqual({ detail: 'Not Found' });
  });
});

describe('writing', () => {
  it('changes only the sections that are present, and replies masked', async () => {
    const { status, json } = await call('PUT', 'siraya', { rerank_config: { api_key: 'rk-0123456789' }, unknown: 1 });
    expect(status).toBe(200);
    expect(json).toMatchObject({ rerank_config: { api_key: 'rk-***6789' }, llm_config: { api_key: 'sk-***cdef' } });
    expect(standIn.stored('siraya')?.sections).toEqual({
      llm_config: LLM,
      mineru_config: { api_token: 'short' },
      custom_prompts: { a: 'b' },
      rerank_config: { api_key: 'rk-0123456789' },
    });
  });

  it('takes a mask for a secret: what GET showed is not what a PUT should send', async () => {
    await call('PUT', 'target', { llm_config: { api_key: 'sk-***cdef' } });
    expect(standIn.stored('target')?.sections.llm_config).toEqual({ api_key: 'sk-***cdef' });
  });

  it('refuses a section that is not an object and changes nothing', async () => {
    const { status } = await call('PUT', 'siraya', { rerank_config: { a: 1 }, llm_config: 'gpt' });
    expect(status).toBe(400);
    expect(standIn.stored('siraya')?.sections.rerank_config).toBeUndefined();
    expect((await call('PUT', 'siraya', { llm_config: null })).status).toBe(200);
    expect(standIn.stored('siraya')?.sections.llm_config).toBeNull();
  });

  it('deletes once', async () => {
    expect((await call('DELETE', 'siraya')).status).toBe(200);
    expect((await call('DELETE', 'siraya')).status).toBe(404);
    expect(standIn.stored('siraya')).toBeUndefined();
  });

  it('refreshes its cache without changing anything', async () => {
    const before = standIn.stored('siraya');
    const reply = await request(`${standIn.url}/tenants/siraya/config/refresh`, { method: 'POST' });
    expect(reply.statusCode).toBe(200);
    expect(standIn.stored('siraya')).toEqual(before);
  });

  it('reads the id from the path percent-decoded', async () => {
    const id = 'a/b c%ü';
    await call('PUT', id, { llm_config: {} });
    expect(standIn.stored(id)?.sections).toEqual({ llm_config: {} });
    expect((await call('GET', id)).json).toMatchObject({ tenant_id: id });
  });
});

describe('faults and records', () => {
  it('a reply that gets lost leaves the change made', async () => {
    standIn.fail({ method: 'PUT', path: /target/, kind: 'cut-after' });
    await expect(call('PUT', 'target', { llm_config: LLM })).rejects.toThrow();
    expect(standIn.stored('target')?.sections).toEqual({ llm_config: LLM });
    expect(standIn.requests.map(({ method, write }) => ({ method, write }))).toEqual([{ method: 'PUT', write: true }]);
  });

  it('a reset brings back what was there at the start', async () => {
    await call('DELETE', 'siraya');
    standIn.seed('other', {});
    standIn.reset();
    expect(standIn.stored('siraya')?.sections.llm_config).toEqual(LLM);
    expect(standIn.stored('other')).toBeUndefined();
    expect(standIn.requests).toEqual([]);
  });

  it('asks for the token where it has one', async () => {
    const locked = await startConfigApiStandIn({ token: 't', configs: { a: {} } });
    const get = async (headers: Record<string, string>) => {
      const reply = await request(`${locked.url}/tenants/a/config`, { headers });
      return { status: reply.statusCode, json: await reply.body.json() };
    };
    expect(await get({})).toEqual({ status: 401, json: { detail: 'Invalid token' } });
    expect((await get({ authorization: 'Bearer t' })).status).toBe(200);
    await locked.close();
  });

  it('in a process of its own it is seeded over HTTP and ends on SIGTERM', async () => {
    const path = fileURLToPath(new URL('../support/config-api-stand-in.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', path, '--token', 't'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { url, simulated } = JSON.parse(line.toString()) as { url: string; simulated: string };
    expect(simulated).toBe('config-api');
    const body = JSON.stringify({ id: 'x', sections: { llm_config: { model: 'm' } } });
    await (await request(`${url}/__stand-in/seed`, { method: 'POST', body })).body.dump();
    const reply = await request(`${url}/tenants/x/config`, { headers: { authorization: 'Bearer t' } });
    expect(await reply.body.json()).toMatchObject({ llm_config: { model: 'm' } });
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });
});

async function call(method: 'GET' | 'PUT' | 'DELETE', id: string, body?: object) {
  const reply = await request(`${standIn.url}/tenants/${encodeURIComponent(id)}/config`, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  return { status: reply.statusCode, json: await reply.body.json() };
}
