-- The shop's database: sizes chosen so that a lost index hurts and a normal day does not.
CREATE EXTENSION pg_stat_statements;
SET ROLE shop;

CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    country char(2) NOT NULL,
    created_at timestamptz NOT NULL
);
INSERT INTO customers (email, name, country, created_at)
SELECT 'customer' || n || '@example.test', 'Customer ' || n,
       (ARRAY['DE', 'FR', 'US', 'JP', 'BR', 'SE', 'PL', 'IN'])[1 + n % 8],
       timestamptz '2024-01-01' + n * interval '3 hours'
FROM generate_series(1, 2000) n;

CREATE TABLE products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL UNIQUE,
    name text NOT NULL,
    category text NOT NULL,
    description text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents > 0),
    stock integer NOT NULL CHECK (stock >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO products (sku, name, category, description, price_cents, stock, updated_at)
SELECT 'SKU-' || lpad(n::text, 6, '0'),
       (ARRAY['Red', 'Quiet', 'Solid', 'Light', 'Old', 'Fine', 'Warm'])[1 + n % 7] || ' '
       || (ARRAY['chair', 'lamp', 'table', 'cup', 'clock', 'shelf', 'rug', 'vase', 'desk', 'bowl', 'stool'])[1 + n % 11]
       || ' ' || n,
       (ARRAY['chairs', 'lamps', 'tables', 'kitchen', 'clocks', 'storage', 'textiles', 'garden'])[1 + n % 8],
       repeat('A thing made with care, number ' || n || '. ', 4 + n % 9),
       199 + (n * 7919) % 49900, 1000000, timestamptz '2025-01-01' + n * interval '1 minute'
FROM generate_series(1, 5000) n;
CREATE INDEX products_category_idx ON products (category, price_cents);

CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    status text NOT NULL DEFAULT 'paid',
    total_cents integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO orders (customer_id, status, total_cents, created_at)
SELECT 1 + (n * 31) % 2000, (ARRAY['paid', 'sent', 'sent', 'sent', 'returned'])[1 + n % 5],
       500 + (n * 131) % 20000, timestamptz '2025-01-01' + n * interval '7 minutes'
FROM generate_series(1, 20000) n;
CREATE INDEX orders_customer_idx ON orders (customer_id, created_at DESC);
CREATE INDEX orders_created_idx ON orders (created_at);

CREATE TABLE order_items (
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    product_id bigint NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0),
    price_cents integer NOT NULL,
    PRIMARY KEY (order_id, product_id)
);
INSERT INTO order_items (order_id, product_id, quantity, price_cents)
SELECT n, 1 + (n * 17 + k * 1009) % 5000, 1 + (n + k) % 3, 199 + (n * k) % 9900
FROM generate_series(1, 20000) n, generate_series(1, 3) k;

CREATE TABLE reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    stars smallint NOT NULL CHECK (stars BETWEEN 1 AND 5),
    body text NOT NULL,
    created_at timestamptz NOT NULL
);
INSERT INTO reviews (product_id, stars, body, created_at)
SELECT 1 + (n * 13) % 5000, 1 + (n * 7) % 5, 'Review ' || n || ': does what it should.',
       timestamptz '2025-01-01' + n * interval '3 minutes'
FROM generate_series(1, 120000) n;
CREATE INDEX reviews_product_idx ON reviews (product_id);

RESET ROLE;
