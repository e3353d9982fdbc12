/** /docs: the OpenAPI document as one page to read. Rendered here, without script and without any other host. */
import type { oas31 } from 'zod-openapi';
import type { OpenApiDocument } from '../openapi.ts';
import { curlExample } from './docs-example.ts';
import { schemaTable } from './docs-schema.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import { layout } from './layout.ts';
import { PROBLEMS } from '../problem-codes.ts';

type Operation = { method: string; path: string; operation: oas31.OperationObject };

export function docsPage(document: OpenApiDocument): string {
  const operations = listOperations(document);
  const groups = (document.tags ?? [])
    .map((tag) => ({
      name: tag.name,
      operations: operations.filter((o) => o.operation.tags?.includes(tag.name)),
    }))
    .filter((group) => group.operations.length > 0);
  return layout({
    title: `${document.info.title} API`,
    wide: true,
    brand: null,
    body: html`<header>
        <h1>${document.info.title} API</h1>
        ${text(document.info.description)}
        <p>
          Version ${document.info.version}. The same as a machine reads it:
          <a href="/openapi.json">OpenAPI 3.1</a>.
        </p>
      </header>
      <nav aria-label="Operations">
        ${groups.map(
          (group) =>
            html`<section>
              <h2><a href="#${anchor(group.name)}">${group.name}</a></h2>
              <ul>
                ${group.operations.map((o) => html`<li><a href="#${o.operation.operationId ?? ''}">${o.operation.summary ?? ''}</a></li>`)}
              </ul>
            </section>`,
        )}
      </nav>
      ${groups.map(
        (group) =>
          html`<section id="${anchor(group.name)}" class="group">
            <h2>${group.name}</h2>
            ${group.operations.map((o) => operationSection(document, o))}
          </section>`,
      )}
      ${schemasSection(document)} ${problemsSection()}`,
  });
}

function listOperations(document: OpenApiDocument): Operation[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    (['get', 'put', 'post', 'delete'] as const).flatMap((method) => {
      const operation = item[method];
      return operation ? [{ method, path, operation: operation as oas31.OperationObject }] : [];
    }),
  );
}

function operationSection(document: OpenApiDocument, { method, path, operation }: Operation): Html {
  const parameters = (operation.parameters ?? []).filter((p) => 'name' in p);
  const body = operation.requestBody && 'content' in operation.requestBody ? operation.requestBody : null;
  return html`<article id="${operation.operationId ?? ''}">
    <h3>${operation.summary ?? ''}</h3>
    <p class="endpoint"><span class="method ${method}">${method.toUpperCase()}</span> <code>${path}</code></p>
    ${text(operation.description)} ${parameters.length > 0 ? parametersTable(parameters) : null}
    ${
      body
        ? html`<h4>Body</h4>
            ${schemaTable(body.content['application/json'])}`
        : null
    }
    <h4>Answers</h4>
    ${responsesTable(operation.responses ?? {})}
    <details>
      <summary>Example with curl</summary>
      <pre tabindex="0"><code>${curlExample(document, method, path, operation)}</code></pre>
    </details>
  </article>`;
}

function parametersTable(parameters: readonly oas31.ParameterObject[]): Html {
  return html`<h4>Parameters</h4>
    <table>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">In</th>
          <th scope="col">What</th>
        </tr>
      </thead>
      <tbody>
        ${parameters.map(
          (p) =>
            html`<tr>
              <th scope="row"><code>${p.name}</code>${p.required ? html` <em>needed</em>` : null}</th>
              <td>${p.in}</td>
              <td>${inline(p.description ?? '')}</td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

function responsesTable(responses: oas31.ResponsesObject): Html {
  const rows = Object.entries(responses) as [string, oas31.ResponseObject][];
  return html`<table>
    <thead>
      <tr>
        <th scope="col">Status</th>
        <th scope="col">When</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ([status, response]) =>
          html`<tr>
            <th scope="row">${status}</th>
            <td>
              ${inline(response.description ?? '')}
              ${Number(status) < 400 ? schemaTable(response.content?.['application/json']) : null}
            </td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function schemasSection(document: OpenApiDocument): Html {
  const schemas = Object.entries(document.components?.schemas ?? {});
  return html`<section id="schemas" class="group">
    <h2>Schemas</h2>
    ${schemas.map(
      ([name, schema]) =>
        html`<article id="schema-${name}">
          <h3>${name}</h3>
          ${schemaTable({ schema })}
        </article>`,
    )}
  </section>`;
}

function problemsSection(): Html {
  return html`<section id="problems" class="group">
    <h2>Problem codes</h2>
    <table>
      <thead>
        <tr>
          <th scope="col">Code</th>
          <th scope="col">Status</th>
          <th scope="col">Meaning</th>
        </tr>
      </thead>
      <tbody>
        ${Object.entries(PROBLEMS).map(
          ([code, { status, title }]) =>
            html`<tr>
              <th scope="row"><code>${code}</code></th>
              <td>${status}</td>
              <td>${title}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

/** Paragraphs, with \`code\`. */
function text(markdown: string | undefined): Html[] {
  return (markdown ?? '')
    .split('\n\n')
    .filter((paragraph) => paragraph !== '')
    .map((paragraph) => html`<p>${inline(paragraph)}</p>`);
}

export function inline(markdown: string): Html[] {
  return markdown.split('`').map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : html`${part}`));
}

function anchor(name: string): string {
  return `group-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
}
