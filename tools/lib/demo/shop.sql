-- The demo's shop, in MariaDB. @orders says how many orders it has; the rest follows from it.
-- It is not a tidy one: NULLs beside empty texts, emoji, a latin1 column, wide decimals, an enum, a
-- set, JSON, and two birthdays that no calendar has.
SET NAMES utf8mb4;
SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION';
SET SESSION time_zone = '+00:00';

CREATE TABLE customers (
    id int unsigned PRIMARY KEY,
    email varchar(120) NOT NULL UNIQUE,
    name varchar(80) NOT NULL,
    city varchar(40) CHARACTER SET latin1,
    birthday date,
    newsletter tinyint(1) NOT NULL,
    note text COMMENT 'NULL: never asked; empty: asked, and said nothing'
);
INSERT INTO customers
SELECT seq, concat('customer', seq, '@example.com'),
       concat(elt(1 + seq % 6, 'Ana', 'Zoë', '李雷', 'Ömer', 'Nadia', 'Björk 🎸'), ' ', seq),
       elt(1 + seq % 5, 'Köln', 'São Paulo', 'Málaga', NULL, ''),
       CASE WHEN seq IN (13, 1313) THEN '0000-00-00' WHEN seq % 7 = 0 THEN NULL
            ELSE '1950-01-01' + INTERVAL seq % 18000 DAY END,
       seq % 3 = 0, elt(1 + seq % 4, NULL, '', 'rings twice 🔔', 'says "no", and \\ too')
FROM seq_1_to_10000000 WHERE seq <= greatest(2000, @orders DIV 15);

CREATE TABLE products (
    id int PRIMARY KEY,
    title varchar(100) NOT NULL,
    price decimal(10,2) NOT NULL,
    grams decimal(38,12),
    labels set('new', 'sale', 'eco') NOT NULL,
    details json
);
INSERT INTO products
SELECT seq, concat(elt(1 + seq % 4, 'Teapot ☕', 'Kite 🪁', 'Lamp', 'Map of 東京'), ' no. ', seq),
       1 + seq % 90 + 0.99, if(seq % 9 = 0, NULL, seq / 7), seq % 8,
       if(seq % 10 = 0, NULL, json_object('colour', elt(1 + seq % 3, 'red', 'blue', 'grün'), 'sizes', json_array(1, seq)))
FROM seq_1_to_500;

CREATE TABLE orders (
    id bigint unsigned PRIMARY KEY,
    customer_id int unsigned NOT NULL,
    status enum('new', 'paid', 'shipped', 'refunded') NOT NULL,
    total decimal(12,2) NOT NULL,
    coupon varchar(20),
    placed_at datetime NOT NULL,
    updated_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    KEY (updated_at)
);
INSERT INTO orders
SELECT seq, 1 + seq * 7919 % greatest(2000, @orders DIV 15), 1 + seq % 3, 5 + seq % 500 + 0.95,
       if(seq % 20 = 0, concat('SPRING-', seq % 9), NULL), '2024-01-01' + INTERVAL seq * 11 SECOND,
       '2024-01-01' + INTERVAL seq * 11000001 MICROSECOND
FROM seq_1_to_10000000 WHERE seq <= @orders;

CREATE TABLE order_items (
    order_id bigint unsigned,
    line tinyint unsigned,
    product_id int NOT NULL,
    quantity smallint unsigned NOT NULL,
    unit_price decimal(10,2) NOT NULL,
    discount decimal(5,4),
    PRIMARY KEY (order_id, line)
);
INSERT INTO order_items
SELECT 1 + (seq - 1) DIV 3, 1 + (seq - 1) % 3, 1 + seq * 31 % 500, 1 + seq % 4, 1 + seq % 90 + 0.99,
       if(seq % 6 = 0, 0.125, NULL)
FROM seq_1_to_30000000 WHERE seq <= @orders * 3;
